"""What a machine keeps of its stack."""

from __future__ import annotations

import json
import re
import stat
import subprocess
from pathlib import Path

import pytest

from release.errors import StackFailed
from release.stack.ports import Given
from release.stack.site import PASSWORDS
from release.stack.state import State
from release.workspace.stack import Ports
from scratch import Scratch


def test_passwords_are_made_once(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert not state.known
    state.prepare()
    assert state.known
    first = {name: state.password(name) for name in PASSWORDS}
    State(tmp_path).prepare()
    assert {name: state.password(name) for name in PASSWORDS} == first
    assert len(set(first.values())) == len(PASSWORDS)


def test_a_password_has_what_moodles_policy_asks_for(tmp_path: Path) -> None:
    State(tmp_path).prepare()
    for name in PASSWORDS:
        password = State(tmp_path).password(name)
        assert len(password) >= 16
        for sort in ("[a-z]", "[A-Z]", "[0-9]", "[^A-Za-z0-9]"):
            assert re.search(sort, password)


def test_only_the_owner_can_enter_the_folder_and_containers_can_read_what_is_in_it(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.folder.mkdir(mode=0o755)
    state.prepare()
    assert stat.S_IMODE(state.folder.stat().st_mode) == 0o700
    for path in (state.folder / "secrets").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_git_does_not_see_the_folder(tmp_path: Path) -> None:
    s = Scratch(tmp_path / "r")
    State(s.path).prepare()
    assert s.git("status", "--porcelain", "--untracked-files=all") == ""


def test_the_s3_servers_user_has_the_password_that_is_shown(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    (user,) = json.loads((state.folder / "secrets/s3.json").read_text())["identities"]
    assert user["credentials"] == [{"accessKey": "moodle", "secretKey": state.password("s3-secret-key")}]


def test_a_file_that_stays_the_same_is_not_written_again(tmp_path: Path) -> None:
    """A running container keeps the file that it was given: another one in its place would not reach it."""
    state = State(tmp_path)
    state.prepare()
    before = {path: path.stat().st_ino for path in state.folder.rglob("*") if path.is_file()}
    state.prepare()
    assert {path: path.stat().st_ino for path in state.folder.rglob("*") if path.is_file()} == before


def test_ports_are_kept(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.ports("a") == {}
    state.prepare()
    state.keep_ports("a", Ports(web=1, mail=2, s3=3), Ports(web=4, mail=2, s3=3))
    assert state.ports("b") == {}, "another stack has ports of its own"
    assert state.ports("a") == {"web": Given(1, 4), "mail": Given(2, 2), "s3": Given(3, 3)}


@pytest.mark.parametrize("text", ["[", '{"web": 8080}'])
def test_unreadable_ports_are_an_error_that_says_which_file(tmp_path: Path, text: str) -> None:
    state = State(tmp_path)
    state.prepare()
    (state.folder / "a.ports.json").write_text(text)
    with pytest.raises(StackFailed) as failed:
        state.ports("a")
    assert failed.value.where[0].path == ".stack/a.ports.json"


def test_the_seed_is_php(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    try:
        done = subprocess.run(["php", "-l", str(state.folder / "seed.php")], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("php isn't here")
    assert done.returncode == 0, done.stdout
