"""A Python package's ``pyproject.toml``: PEP 621's ``[project]``, or Poetry's own table.

Sources: https://packaging.python.org/en/latest/specifications/pyproject-toml/ , for versions PEP 440 and for
names PEP 503. Semantic versions are written as PEP 440 has them (``1.2.0-rc.1`` as ``1.2.0rc1``).
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from release.formats.source import Source
from release.formats.toml import Keys, TomlFile, parse_toml, table
from release.model.edit import Token
from release.model.version import Version

__all__ = [
    "PyprojectToml",
    "Requirement",
    "from_pep440",
    "normalised",
    "parse",
    "source_version",
    "to_pep440",
]

_PEP440 = re.compile(
    r"v?(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<patch>\d+))?"
    r"(?:[-_.]?(?P<channel>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<number>\d*))?(?:\+(?P<local>[a-z\d._-]+))?",
    re.IGNORECASE | re.ASCII,
)
_CHANNELS = {"a": "alpha", "b": "beta", "c": "rc", "pre": "rc", "preview": "rc"}
_SHORT = {"alpha": "a", "beta": "b", "rc": "rc"}
_REQUIREMENT = re.compile(
    r"\s*(?P<name>[A-Za-z\d](?:[\w.-]*[A-Za-z\d])?)\s*(?:\[[^\]]*\])?\s*"
    r"(?:@[^;]*|\(\s*(?P<inner>[^;()]*?)\s*\)|(?P<specifier>[^;()@\[\]]*?))\s*(?:;.*)?",
    re.ASCII,
)
_ASSIGNMENT = re.compile(
    r"""^(?:__version__|VERSION|version)\b[^=\n]*=\s*(?P<token>(?P<quote>["'])(?P<version>[^"'\n]+)(?P=quote))""",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement on the package ``name`` (normalised) at ``keys``.

    ``specifier`` is its version part as written, ``None`` when any version will do, and ``start`` the index of
    that in the string.
    """

    name: str
    keys: Keys
    specifier: str | None
    start: int = 0

    def token(self, file: TomlFile) -> Token:
        """Return the token of the specifier without quotes, or of the whole string when there is none.

        Raises:
            FormatError: it is written with escapes, so that it does not stand there as it reads.
        """
        whole = file.token(*self.keys)
        if self.specifier is None:
            return whole
        quotes = 3 if whole.text.startswith(('"""', "'''")) else 1
        token = whole.part(quotes + self.start, len(self.specifier))
        if token.text != self.specifier:
            file.refuse("a requirement is written with escapes", *self.keys, fix="write it plainly")
        return token


@dataclass(frozen=True, slots=True)
class PyprojectToml:
    """The facts of one package; ``keys`` is where its version is or would be."""

    file: TomlFile
    folder: str
    name: str
    version: str | None
    keys: Keys
    source: tuple[str, ...]
    """Paths in which a dynamic version may be; the first that exists has it."""

    def requirements(self) -> tuple[Requirement, ...]:
        """Return what the package and its extras (Poetry: groups) need.

        Raises:
            FormatError: one of them is malformed.
        """
        return (*_requirements(self.file), *_poetry_requirements(self.file))


@lru_cache(maxsize=512)
def parse(content: bytes, path: str) -> PyprojectToml | None:
    """Return the facts of the ``pyproject.toml`` ``content``, or ``None`` when it names no package.

    Raises:
        FormatError: it is not TOML, or name or version is no string.
    """
    file = parse_toml(content, path)
    folder = posixpath.dirname(path)
    project, poetry = table(file.data.get("project")), table(table(file.data.get("tool")).get("poetry"))
    head: tuple[str, ...] = ("project",) if "name" in project else ("tool", "poetry")
    name = file.text(*head, "name") if head[0] == "project" or "name" in poetry else None
    if name is None:
        return None
    keys: Keys = (*head, "version")
    version = file.text(*head, "version")
    if version is None and "version" in poetry:
        keys, version = ("tool", "poetry", "version"), file.text("tool", "poetry", "version")
    return PyprojectToml(file, folder, normalised(name), version, keys, tuple(_sources(file, folder)))


def normalised(name: str) -> str:
    """Return ``name`` as PEP 503 compares names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def to_pep440(version: Version) -> str:
    """Return ``version`` as PEP 440 writes it.

    Raises:
        ValueError: its pre-release is not alpha, beta or rc with a number.
    """
    text = f"{version.major}.{version.minor}.{version.patch}"
    if version.prerelease:
        channel, _, number = version.prerelease.partition(".")
        if channel not in _SHORT or not (number.isdigit() or not number):
            raise ValueError(f"{version} has no form in PEP 440: use the channels alpha, beta or rc")
        text += f"{_SHORT[channel]}{number or 0}"
    return f"{text}+{version.build.replace('-', '.')}" if version.build else text


def from_pep440(text: str) -> Version | None:
    """Return the semantic version that ``text`` stands for; ``None`` for post, dev and longer releases."""
    found = _PEP440.fullmatch(text.strip())
    if found is None:
        return None
    pre = None
    if found["channel"]:
        channel = found["channel"].lower()
        pre = f"{_CHANNELS.get(channel, channel)}.{int(found['number'] or 0)}"
    local = re.sub(r"[-_]", ".", found["local"]) if found["local"] else None
    major, minor, patch = (int(found[name] or 0) for name in ("major", "minor", "patch"))
    return Version(major, minor, patch, pre, local)


def source_version(content: bytes, path: str) -> tuple[str, Token] | None:
    """Return the version that the Python file ``content`` assigns, and its token with quotes.

    Raises:
        FormatError: it is not UTF-8.
    """
    source = Source(content, path)
    found = _ASSIGNMENT.search(source.text)
    return None if found is None else (found["version"], source.token(*found.span("token")))


def _sources(file: TomlFile, folder: str) -> Iterator[str]:
    """Yield where Hatch or setuptools read a dynamic version from."""
    if "version" not in table(file.data.get("project")).get("dynamic", ()):
        return
    tool = table(file.data.get("tool"))
    hatch = table(table(tool.get("hatch")).get("version")).get("path")
    if isinstance(hatch, str):
        yield posixpath.normpath(posixpath.join(folder, hatch))
    dynamic = table(table(table(tool.get("setuptools")).get("dynamic")).get("version"))
    attribute = dynamic.get("attr")
    if isinstance(attribute, str) and "." in attribute:
        module = attribute.rpartition(".")[0].replace(".", "/")
        for root in ("src", ""):
            yield posixpath.join(folder, root, f"{module}.py")
            yield posixpath.join(folder, root, module, "__init__.py")


def _requirements(file: TomlFile) -> Iterator[Requirement]:
    project = table(file.data.get("project"))
    lists: list[tuple[Keys, object]] = [(("project", "dependencies"), project.get("dependencies"))]
    for extra, items in table(project.get("optional-dependencies")).items():
        lists.append((("project", "optional-dependencies", extra), items))
    for keys, items in lists:
        for index, text in enumerate(items if isinstance(items, list) else ()):
            found = _REQUIREMENT.fullmatch(str(text))
            if found is None:
                file.refuse(f"{text!r} is no requirement", *keys, index, fix="write it as PEP 508 has it")
            group = "inner" if found["specifier"] is None else "specifier"
            start = found.start(group)
            yield Requirement(normalised(found["name"]), (*keys, index), found[group] or None, max(start, 0))


def _poetry_requirements(file: TomlFile) -> Iterator[Requirement]:
    poetry = table(table(file.data.get("tool")).get("poetry"))
    groups: list[tuple[Keys, object]] = [(("tool", "poetry", "dependencies"), poetry.get("dependencies"))]
    for name, group in table(poetry.get("group")).items():
        groups.append((("tool", "poetry", "group", name, "dependencies"), table(group).get("dependencies")))
    for keys, named in groups:
        for name, value in table(named).items():
            place: Keys = (*keys, name)
            specifier: str | None = None
            if isinstance(value, str):
                specifier = value
            else:
                key = next((key for key in ("version", "path", "git", "url") if key in table(value)), None)
                if key is None:
                    continue
                place = (*place, key)
                specifier = str(table(value)[key]) if key == "version" else None
            any_version = specifier is None or specifier.strip() == "*"
            yield Requirement(normalised(name), place, None if any_version else specifier)
