"""Plugins of others, as ``plugins.lock`` lists them: fetched once, checked by their hash, and read from their zips."""

from __future__ import annotations

import io
import lzma
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from release.errors import DestinationRefused, FormatError, InputsRefused, Place
from release.formats import version_php
from release.formats.plugins_lock import LockedPlugin
from release.formats.version_php import VersionPhp
from release.model.edit import digest
from release.publish.archives import Entry
from release.web.http import Http

__all__ = ["Fetched", "fetched", "read_zip", "taken"]

_LARGEST = 1 << 30
"""Bytes that the files of one plugin may have together."""
_LONGEST = 255
"""Bytes of a name in a folder (NAME_MAX)."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A plugin's zip that was checked: what its ``version.php`` says, and its files below one folder."""

    facts: VersionPhp
    entries: tuple[Entry, ...]


def taken(plugin: LockedPlugin, cache: Path) -> Fetched:
    """Return ``plugin``, from ``cache`` where it has it.

    Raises:
        InputsRefused: it can't be fetched, is not what its SHA-256 says, or is another plugin or version.
    """
    kept = cache / "plugins" / f"{plugin.sha256}.zip"
    content = kept.read_bytes() if kept.is_file() else b""
    if digest(content) != plugin.sha256:
        try:
            content = fetched(plugin.url)
        except DestinationRefused as error:
            raise _refused(plugin, f"can't be fetched: {error.what}", "see to the connection or the address") from None
        found = digest(content)
        if found != plugin.sha256:
            raise _refused(
                plugin, f"is not what was locked: the SHA-256 of {plugin.url} is {found}, not {plugin.sha256}",
                "find out who changed it; lock it anew only when its makers say that they did",
            )  # fmt: skip
        kept.parent.mkdir(parents=True, exist_ok=True)
        new = kept.with_suffix(".new")
        new.write_bytes(content)
        new.replace(kept)
    try:
        plugin_zip = read_zip(content, plugin.url)
    except FormatError as error:
        raise _refused(plugin, f"can't be read: {error.what}", error.fix) from None
    said = (plugin_zip.facts.name, plugin_zip.facts.build)
    if said != (plugin.name, plugin.version):
        raise _refused(
            plugin, f"says of itself that it is {said[0]} {said[1]}, not {plugin.name} {plugin.version}",
            "correct the name and the version",
        )  # fmt: skip
    return plugin_zip


def fetched(url: str) -> bytes:
    """Return what ``url`` leads to.

    Raises:
        DestinationRefused: it gives no answer or another than the file.
    """
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0]
    return Http(host, f"{scheme}://{host}").send("GET", url, ok=(200,)).content


def read_zip(content: bytes, name: str) -> Fetched:
    """Return the plugin in the zip ``content``, which is called ``name`` in errors.

    Raises:
        FormatError: it is no zip of one folder with a ``version.php``, or a path in it leads elsewhere.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > _LARGEST:
                raise _unreadable(name, "its files are larger than 1 GiB")
            entries = [
                Entry(member.filename, archive.read(member), bool(member.external_attr >> 16 & 0o100))
                for member in members
            ]
            links = [member.filename for member in members if member.external_attr >> 28 == 0o12]
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise _unreadable(name, str(error) or "it is cut off") from None
    paths = Counter(entry.path for entry in entries)
    for path, count in paths.items():
        if count > 1:
            raise _unreadable(name, f"{path!r} is in it {count} times")
        above = next((one for one in accumulate(path.split("/")[:-1], "{}/{}".format) if one in paths), None)
        if above is not None:
            raise _unreadable(name, f"{above!r} is a file, and {path!r} lies in it")
        if any(len(part.encode(errors="surrogateescape")) > _LONGEST for part in path.split("/")):
            raise _unreadable(name, f"{path[:80]!r}... has a name of more than {_LONGEST} bytes")
        if path in links or path.startswith("/") or "\\" in path or {"..", ".", ""} & set(path.split("/")):
            raise _unreadable(name, f"{path!r} is no path of a file in it")
    tops = {entry.path.partition("/")[0] for entry in entries}
    manifest = next((entry for entry in entries if entry.path.partition("/")[2] == "version.php"), None)
    if len(tops) != 1 or manifest is None:
        raise _unreadable(name, "it has not one folder with a version.php")
    facts = version_php.parse(manifest.content, f"{name}: {manifest.path}")
    if facts.name is None or facts.build is None:
        raise _unreadable(name, f"{manifest.path} sets no component or version")
    own = facts.name.partition("_")[2]
    return Fetched(
        facts,
        tuple(sorted(Entry(f"{own}/{one.path.partition('/')[2]}", one.content, one.executable) for one in entries)),
    )


def _unreadable(name: str, what: str) -> FormatError:
    return FormatError(
        f"{name} is no plugin's zip: {what}", where=[Place(name)], fix="name a zip for Moodle's installer"
    )


def _refused(plugin: LockedPlugin, what: str, fix: str) -> InputsRefused:
    return InputsRefused(f"{plugin.name} {what}", where=[plugin.place], fix=fix)
