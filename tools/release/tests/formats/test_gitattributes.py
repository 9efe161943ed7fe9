from __future__ import annotations

import io
import tarfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from release.formats.gitattributes import export_ignore
from release.formats.wildmatch import wildmatch
from scratch import Scratch

FILES = ("a", "b.txt", "dir/a", "dir/b.txt", "dir/sub/a", "dir/sub/c d", "other/dir/a", "other/[x]", "z/y/x/w")
LINES = (
    "a export-ignore", "/a export-ignore", "dir export-ignore", "dir/ export-ignore", "/dir/ export-ignore",
    "dir/* export-ignore", "dir/** export-ignore", "**/a export-ignore", "dir/**/a export-ignore",
    "*.txt export-ignore",
    "[ab]* export-ignore", "[!a]* export-ignore", "sub/a export-ignore", "?? export-ignore", "**/dir/a export-ignore",
    "* export-ignore", "a -export-ignore", "dir/a -export-ignore", "*.txt !export-ignore", "dir -export-ignore",
    "a export-ignore=yes", "[attr]dev export-ignore", "a dev", "dir/b.txt -dev", '"dir/sub/c d" export-ignore',
    "# a comment", "", "!a export-ignore", "other/\\[x] export-ignore", "z/**/w export-ignore", "z/*/w export-ignore",
    "[[:alpha:]] export-ignore", "[unclosed export-ignore", "a text export-ignore -diff", "\ta export-ignore",
)  # fmt: skip
attributes = st.lists(st.sampled_from(LINES), max_size=6).map("\n".join)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    made = Scratch(tmp_path_factory.mktemp("attributes") / "work")
    made.write(dict.fromkeys(FILES, "x\n"))
    return made


def _archived(scratch: Scratch) -> set[str]:
    """Return what git itself exports."""
    tar = scratch.path.parent / "out.tar"
    scratch.git("archive", "--format=tar", "-o", str(tar), "HEAD^{tree}")
    with tarfile.open(fileobj=io.BytesIO(tar.read_bytes())) as archive:
        return {member.name for member in archive if member.isfile()}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=attributes, inner=attributes)
def test_git_archive_leaves_out_the_same_files(scratch: Scratch, top: str, inner: str) -> None:
    contents = {".gitattributes": top + "\n", "dir/.gitattributes": inner + "\n"}
    scratch.commit("chore: attributes", contents)
    decide = export_ignore({path: text.encode() for path, text in contents.items()})
    tracked = scratch.git("ls-files", "-z").strip("\0").split("\0")
    assert {path for path in tracked if not decide(path)} == _archived(scratch)


def test_said_to_be_exported_is_another_thing_than_not_mentioned() -> None:
    decide = export_ignore({".gitattributes": b"keep -export-ignore\n"})
    assert (decide("keep"), decide("other")) == (False, None)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("a*c", ["ac", "abbc"], ["a/c", "acd"]),
        ("a**c", ["ac", "abbc"], ["a/c"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["xa"]),
        ("a/**", ["a/b", "a/b/c"], ["a"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab"]),
        ("[]a]", ["]", "a"], ["b"]),
        ("[a-c]", ["a", "b", "c"], ["d", "-"]),
        ("[!a]", ["b"], ["a", "/"]),
        ("[a", [], ["[a", "a"]),
        ("a\\*", ["a*"], ["ab"]),
        ("[\\]]", ["]"], ["\\"]),
        ("a.b", ["a.b"], ["axb"]),
        ("[[:digit:]x]", ["1", "x"], ["a"]),
    ],
)
def test_a_wildcard_stands_for_what_it_does_in_git(pattern: str, yes: list[str], no: list[str]) -> None:
    found = wildmatch(pattern)
    assert [text for text in yes if not found.fullmatch(text)] == []
    assert [text for text in no if found.fullmatch(text)] == []
