"""Zips of plugins that no installer could unpack are refused by name, whatever is wrong in them."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest

from release.errors import FormatError
from release.images.plugins import read_zip
from small_moodle import plugin_zip


def test_a_good_one_is_read() -> None:
    found = read_zip(plugin_zip("mod_poll", 2026010100, files={"a/b.php": ""}), "poll.zip")
    assert [entry.path for entry in found.entries] == ["poll/a/b.php", "poll/version.php"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a": "", "a/b": ""}, "'poll-main/a' is a file, and 'poll-main/a/b' lies in it"),
        ({"x" * 256: ""}, "has a name of more than 255 bytes"),
        ({"ä" * 128: ""}, "has a name of more than 255 bytes"),
        ({"version.php": ""}, "'poll-main/version.php' is in it 2 times"),
        ({"../x": ""}, "is no path of a file in it"),
    ],
)
def test_paths_that_no_folder_can_have_are_refused(files: dict[str, str], said: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zipfile, about the same name twice
        content = plugin_zip("mod_poll", 2026010100, files=files)
    with pytest.raises(FormatError) as refused:
        read_zip(content, "poll.zip")
    assert said in refused.value.what


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_content_that_cannot_be_unpacked_is_refused(method: int) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("poll/version.php", bytes(range(256)) * 8)
        start = archive.getinfo("poll/version.php").header_offset + 30 + len("poll/version.php")
    content = bytearray(file.getvalue())
    content[start + 8 : start + 40] = b"\xff" * 32
    with pytest.raises(FormatError, match=r"poll\.zip is no plugin's zip"):
        read_zip(bytes(content), "poll.zip")
