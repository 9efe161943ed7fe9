"""Ports that are taken are moved to free ones."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release.errors import StackFailed
from release.stack import ports
from release.stack.ports import Moved, choose
from release.workspace.stack import Ports


@contextmanager
def taken(count: int = 1) -> Iterator[list[int]]:
    """Yield ports on which something listens."""
    with ExitStack() as sockets:
        found = []
        for _ in range(count):
            listener = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))
            found.append(listener.getsockname()[1])
        yield found


def free() -> int:
    with taken() as (port,):
        return port


def test_a_taken_port_is_moved_to_a_free_one_and_that_is_said() -> None:
    with taken() as (port,):
        given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {}, set())
    assert given_.web > port
    assert moved == (Moved("web", port, given_.web),)
    socket.create_server(("127.0.0.1", given_.web)).close()


def test_a_port_that_the_stack_itself_holds_stays() -> None:
    with taken() as (port,):
        given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {}, {port})
    assert given_.web == port
    assert moved == ()


def test_the_port_of_the_last_time_is_taken_again_so_that_the_address_stays() -> None:
    last = free()
    given_, moved = choose(Ports(web=free(), mail=free(), s3=free()), {"web": last}, set())
    assert given_.web == last
    assert [one.given for one in moved] == [last]


def test_no_free_port_is_an_error_that_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_FURTHER", 1)
    with taken() as (port,), pytest.raises(StackFailed) as failed:
        choose(Ports(web=free(), mail=port, s3=free()), {}, set())
    assert str(port) in failed.value.what
    assert "stack.ports.mail" in failed.value.fix


@given(st.integers(20000, 20003), st.integers(20000, 20003), st.integers(20000, 20003))
@settings(max_examples=30, deadline=None)
def test_services_get_different_ports_whatever_they_want(web: int, mail: int, s3: int) -> None:
    given_, _ = choose(Ports(web=web, mail=mail, s3=s3), {"mail": web}, set())
    assert len({given_.web, given_.mail, given_.s3}) == 3
