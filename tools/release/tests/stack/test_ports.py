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
from release.stack.ports import Given, Moved, choose
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
    assert moved == (Moved("web", port, given_.web, taken=True),)
    socket.create_server(("127.0.0.1", given_.web)).close()


def test_a_port_that_the_stack_itself_holds_stays() -> None:
    with taken() as (port,):
        given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {}, {port})
    assert given_.web == port
    assert moved == ()


def test_a_port_that_something_holds_by_ipv6_alone_is_taken() -> None:
    """A browser that is told ``localhost`` may ask there first."""
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        port = listener.getsockname()[1]
        given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {}, set())
    assert given_.web != port
    assert [(one.wanted, one.taken) for one in moved] == [(port, True)]


def test_a_moved_service_that_runs_stays_where_it_is_and_nobody_says_that_the_port_is_taken() -> None:
    wanted, last = free(), free()
    given_, moved = choose(Ports(web=wanted, mail=free(), s3=free()), {"web": Given(wanted, last)}, {last})
    assert given_.web == last
    assert moved == (Moved("web", wanted, last, taken=False),)


def test_a_service_that_has_to_move_goes_where_it_was_the_last_time() -> None:
    last = free()
    with taken() as (port,):
        given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {"web": Given(port, last)}, set())
    assert given_.web == last
    assert moved == (Moved("web", port, last, taken=True),)


def test_a_service_that_was_moved_once_and_was_stopped_comes_back_to_its_port() -> None:
    port = free()
    given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {"web": Given(port, free())}, set())
    assert given_.web == port
    assert moved == ()


def test_a_change_of_the_configuration_is_heeded_even_while_the_service_runs() -> None:
    port, last = free(), free()
    given_, moved = choose(Ports(web=port, mail=free(), s3=free()), {"web": Given(last, last)}, {last})
    assert given_.web == port
    assert moved == ()


def test_no_free_port_is_an_error_that_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_FURTHER", 1)
    with taken() as (port,), pytest.raises(StackFailed) as failed:
        choose(Ports(web=free(), mail=port, s3=free()), {}, set())
    assert str(port) in failed.value.what
    assert "stack.ports.mail" in failed.value.fix


@given(st.integers(20000, 20003), st.integers(20000, 20003), st.integers(20000, 20003))
@settings(max_examples=30, deadline=None)
def test_services_get_different_ports_whatever_they_want(web: int, mail: int, s3: int) -> None:
    given_, _ = choose(Ports(web=web, mail=mail, s3=s3), {"mail": Given(mail, web)}, set())
    assert len({given_.web, given_.mail, given_.s3}) == 3
