"""Moodle's source: a folder, or a tag of a git repository that leads to the commit that was written down."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from release.errors import FormatError, InputsRefused, Place
from release.formats.moodle_version_php import MoodleVersion, read
from release.repository.upstream import fetch_commit
from release.workspace.images import MoodleSource

__all__ = ["OLDEST_BRANCH", "MoodleTree", "from_folder", "from_git"]

OLDEST_BRANCH = 501
"""The first branch with the folder ``public``."""
_VERSION = "public/version.php"
_COMPONENTS = ("lib/components.json", "public/lib/components.json")
_SUBPLUGINS = "db/subplugins.json"
_TYPE = re.compile(r"[a-z][a-z0-9]*")
_AT_TOP = ("config.php", "auth.json")
"""What a folder can have at its top and no source has: a site's own secrets, and Composer's."""
_ANYWHERE = re.compile(r"[.](?:git|hg|svn|idea|vscode)|node_modules|[.]env(?:[.].*)?|config[.]php.+|[.]config[.]php.*")
"""Names of what is never Moodle's: histories, what editors and npm write, and copies of a site's secrets."""


class _Types(msgspec.Struct):
    plugintypes: dict[str, str]


class _Subplugins(msgspec.Struct):
    subplugintypes: dict[str, str] = {}
    plugintypes: dict[str, str] = {}


@dataclass(frozen=True)
class MoodleTree:
    """The root of a Moodle's source, where it is from, and which Moodle it is."""

    root: Path
    origin: str
    version: MoodleVersion

    @property
    def files(self) -> tuple[str, ...]:
        """The POSIX paths of all files and symbolic links, relative to the root, sorted in each folder."""
        return self._found[0]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The paths of what lies in the folder and isn't Moodle's, or is a link that leads out of it."""
        return self._found[1]

    @cached_property
    def _found(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        files, left_out = list[str](), list[str]()
        for folder, folders, names in os.walk(self.root):
            here = Path(folder).relative_to(self.root)
            for name in sorted(folders + names):
                path = (here / name).as_posix()
                mode = (self.root / path).lstat().st_mode
                if _ANYWHERE.fullmatch(name) or path in _AT_TOP or (stat.S_ISLNK(mode) and self._leads_out(path)):
                    left_out.append(path)
                elif stat.S_ISREG(mode) or stat.S_ISLNK(mode):
                    files.append(path)
            folders[:] = sorted(name for name in folders if (here / name).as_posix() not in left_out)
        return tuple(files), tuple(sorted(left_out))

    def _leads_out(self, link: str) -> bool:
        place = self.root / link
        return place.readlink().is_absolute() or not Path(os.path.realpath(place)).is_relative_to(self.root.resolve())

    @cached_property
    def plugin_folders(self) -> dict[str, str]:
        """The folder of each type of plugin, relative to the root; subplugins of Moodle's own plugins included."""
        name = next((name for name in _COMPONENTS if (self.root / name).is_file()), None)
        if name is None:
            raise _refused(self.root, f"it has no {_COMPONENTS[0]}")
        try:
            types = msgspec.json.decode((self.root / name).read_bytes(), type=_Types).plugintypes
            found = _safe(types, "")
            for folder in types.values():
                for path in sorted((self.root / folder).glob(f"*/{_SUBPLUGINS}")):
                    name = path.relative_to(self.root).as_posix()
                    found |= subplugin_folders(
                        path.read_bytes(), path.parent.parent.relative_to(self.root).as_posix(), found
                    )
        except (msgspec.DecodeError, ValueError) as error:
            raise _refused(self.root, f"{name} is not what it has to be: {error}") from None
        return found


def subplugin_folders(content: bytes, folder: str, known: Mapping[str, str]) -> dict[str, str]:
    """Return the folder of each type of plugin that the plugin in ``folder`` says it has (``db/subplugins.json``).

    Source: https://moodledev.io/docs/apis/plugintypes/mod/subplugins

    Raises:
        ValueError: it is another file, a folder is not below ``folder``, or a type is ``known``, with its folder.
    """
    said = msgspec.json.decode(content, type=_Subplugins)
    if said.subplugintypes:
        found = {name: f"{folder}/{path}" for name, path in said.subplugintypes.items()}
    else:
        found = {name: f"public/{path}" for name, path in said.plugintypes.items()}
    for name in found.keys() & known.keys():
        raise ValueError(f"the type {name} is there already, in {known[name]}")
    return _safe(found, f"{folder}/")


def _safe(folders: Mapping[str, str], above: str) -> dict[str, str]:
    """Return ``folders`` of types when each is below the folder ``above``."""
    for name, folder in folders.items():
        if not _TYPE.fullmatch(name):
            raise ValueError(f"{name!r} can't be a type of plugins")
        if not folder.startswith(above) or {"", ".", ".."} & set(folder.split("/")) or not folder.isprintable():
            raise ValueError(f"the folder of the type {name}, {folder!r}, is not below {above or 'the root'}")
    return dict(folders)


def from_folder(root: Path, origin: str = "a folder") -> MoodleTree:
    """Return the Moodle in ``root``.

    Raises:
        InputsRefused: it is none, or older than :data:`OLDEST_BRANCH`.
    """
    path = root / _VERSION
    if not path.is_file():
        old = (root / "version.php").is_file()
        what = f"Moodle in it is older than 5.1: it has no {_VERSION}" if old else f"it has no {_VERSION}"
        raise _refused(root, what)
    try:
        version = read(path.read_bytes(), _VERSION)
    except FormatError as error:
        raise _refused(root, error.what) from None
    if version.branch < OLDEST_BRANCH:
        raise _refused(root, f"Moodle in it is {version.text}, but images are built from 5.1 on")
    return MoodleTree(root, origin, version)


def from_git(source: MoodleSource, cache: Path, scratch: Path) -> MoodleTree:
    """Return the Moodle that ``source`` names, as a work tree in ``scratch``; its objects are kept in ``cache``.

    Raises:
        InputsRefused: the tag can't be fetched, leads to another commit, or what is there is no Moodle from 5.1 on.
    """
    fetch_commit(source.repository, source.tag, source.commit, cache / "moodle.git", scratch)
    return from_folder(scratch, f"{source.repository} {source.tag} {source.commit}")


def _refused(root: Path, what: str) -> InputsRefused:
    return InputsRefused(
        f"{root} can't be taken for Moodle's source: {what}",
        where=[Place(str(root))],
        fix="name the root of Moodle 5.1 or later with --moodle, or its tag and commit in release.yaml",
    )
