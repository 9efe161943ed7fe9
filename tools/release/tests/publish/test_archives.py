from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.publish.archives import Entry, stored_gzip, stored_tar, stored_zip

NAMES = st.text("abcXYZ019._-", min_size=1, max_size=8).filter(lambda name: name.strip("."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    files = draw(st.dictionaries(PATHS, st.tuples(st.binary(max_size=300), st.booleans()), max_size=8))
    kept = [path for path in files if not any(other.startswith(f"{path}/") for other in files)]
    return [Entry(path, *files[path]) for path in kept]


@given(trees(), st.integers(-(10**9), 10**11), st.randoms())
def test_a_zip_holds_what_was_put_in_whatever_the_order(entries: list[Entry], when: int, random: Random) -> None:
    made = stored_zip(entries, when)
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert stored_zip(shuffled, when) == made
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert archive.testzip() is None
        found = {info.filename: info for info in archive.infolist() if not info.is_dir()}
        assert {name: archive.read(name) for name in found} == {entry.path: entry.content for entry in entries}
        assert {name: info.external_attr >> 16 & 0o777 for name, info in found.items()} == {
            entry.path: 0o755 if entry.executable else 0o644 for entry in entries
        }
        assert all(info.compress_type == zipfile.ZIP_STORED for info in found.values())
        assert archive.namelist() == sorted(archive.namelist())


@given(st.binary(max_size=200_000))
def test_gzip_reads_back_what_was_stored(data: bytes) -> None:
    assert gzip.decompress(stored_gzip(data)) == data


def test_gzip_of_several_blocks_is_read_back() -> None:
    data = bytes(range(256)) * 1024
    assert gzip.decompress(stored_gzip(data)) == data
    assert len(stored_gzip(data)) == len(data) + 18 + 5 * 5


@given(trees(), st.integers(0, 2**33 - 1))
def test_a_tar_holds_what_was_put_in(entries: list[Entry], when: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(stored_tar(entries, when))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == sorted(entry.path for entry in entries)
        assert {member.mtime for member in members} <= {when}
        assert {(member.uid, member.gid, member.uname, member.gname) for member in members} <= {(0, 0, "", "")}


ENTRIES = [Entry("top/b.php", b"<?php\n"), Entry("top/a/run", b"#!/bin/sh\n" * 9000, executable=True)]
WHEN = 1_767_225_601


def test_the_bytes_are_the_same_in_every_release_of_this_program() -> None:
    """A change here changes every package that is ever made again, so that nothing published would match."""
    digests = [
        hashlib.sha256(made).hexdigest() for made in (stored_zip(ENTRIES, WHEN), stored_gzip(stored_tar(ENTRIES, WHEN)))
    ]
    assert digests == [
        "c06dd480fbfbf29318977c9c1ff51dae5bf3c490728b4db7a7f3858425815e89",
        "8ce9d0e058285374cd39cb051c9e9817980046d1aec0162b5960acfc3fb8d3f4",
    ]


@pytest.mark.parametrize(
    ("when", "date"), [(0, (1980, 1, 1, 0, 0, 0)), (WHEN, (2026, 1, 1, 0, 0, 0)), (10**11, (2107, 12, 31, 23, 59, 58))]
)
def test_a_time_that_a_zip_cannot_hold_becomes_the_nearest_that_it_can(when: int, date: tuple[int, ...]) -> None:
    with zipfile.ZipFile(io.BytesIO(stored_zip(ENTRIES, when))) as archive:
        assert {info.date_time for info in archive.infolist()} == {date}


def test_info_zip_and_php_read_the_zip(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(stored_zip(ENTRIES, WHEN))
    php = "$z = new ZipArchive(); exit($z->open($argv[1]) === true && $z->getFromName('top/b.php') !== false ? 0 : 1);"
    known = []
    if shutil.which("unzip"):
        known.append(["unzip", "-tqq", str(path)])
    if shutil.which("php") and "zip" in subprocess.check_output(["php", "-m"], text=True).split():
        known.append(["php", "-r", php, "--", str(path)])
    if not known:
        pytest.skip("neither unzip nor php with its extension zip is installed")
    for words in known:
        subprocess.run(words, check=True, capture_output=True)
