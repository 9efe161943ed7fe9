from __future__ import annotations

from pathlib import Path

import pytest

from release.repository.checkout import checkout
from release.repository.git import Repository
from scratch import Scratch


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_a_commit_is_written_as_it_is_and_tools_find_it(tmp_path: Path, form: str) -> None:
    scratch = Scratch(tmp_path / "work", init=False)
    scratch.path.mkdir()
    scratch.git("init", "-q", "-b", "main", f"--object-format={form}")
    scratch.write({"a.txt": "one\r\n", "bin/run": "#!/bin/sh\n"})
    (scratch.path / "link").symlink_to("a.txt")
    (scratch.path / "bin/run").chmod(0o755)
    first = scratch.commit("feat: one")
    scratch.commit("feat: two", {"a.txt": "two\n"})
    scratch.write({"a.txt": "not committed\n"})
    scratch.git("config", "core.autocrlf", "true")
    hook = scratch.path / ".git/hooks/post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    before = scratch.state()
    folder = checkout(Repository.open(scratch.path), first, tmp_path / "deep" / "tree")
    assert (folder / "a.txt").read_bytes() == b"one\r\n"
    assert (folder / "link").is_symlink()
    assert (folder / "bin/run").stat().st_mode & 0o100
    assert not (folder / "hooked").exists()
    made = Scratch(folder, init=False)
    assert made.git("rev-parse", "HEAD") == first
    assert made.git("status", "--porcelain") == ""
    assert scratch.state() == before


def test_a_linked_work_tree_lends_its_objects_too(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "work")
    commit = scratch.commit("feat: one", {"a": "x"})
    scratch.git("worktree", "add", "-q", "--detach", "../linked")
    folder = checkout(Repository.open(tmp_path / "linked"), commit, tmp_path / "tree")
    assert (folder / "a").read_text() == "x"
