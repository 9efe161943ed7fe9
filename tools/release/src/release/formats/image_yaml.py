"""``image.yaml``, this product's own description of a container image.

The file stands beside the Dockerfile and has these keys and no others::

    name: moodle                     # the component's name, unique in the repository
    version: 1.2.3                   # semver without build metadata: an OCI tag can't hold a "+"
    repository: ghcr.io/acme/moodle  # optional: where it is pushed, without tag
    base: php                        # optional: the image component it is built on
    contains:                        # optional: the components in it; each list is optional
      plugins: [local_accel]
      crates: [accel]
      python: [moodle-release]
      moodle: true                 # Moodle itself, from the source that release.yaml names
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from release.formats.yaml import YamlFile, parse_yaml
from release.model.edit import Token
from release.model.version import Version, parse_version

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["ImageYaml", "Part", "parse"]

_KEYS = ("name", "version", "repository", "base", "contains")
_CONTAINS = {"plugins": "plugin", "crates": "crate", "python": "python"}
_MOODLE = "moodle"


@dataclass(frozen=True, slots=True)
class Part:
    """A component that the image names: its kind and name, and where."""

    kind: str
    name: str
    token: Token


@dataclass(frozen=True, slots=True)
class ImageYaml:
    """The facts of one ``image.yaml``; ``parts`` are its base and the components in it."""

    path: str
    folder: str
    name: str
    version: Version
    version_token: Token
    repository: str | None
    parts: tuple[Part, ...]
    moodle: bool


@lru_cache(maxsize=512)
def parse(content: bytes, path: str) -> ImageYaml:
    """Return the facts of the ``image.yaml`` ``content``.

    Raises:
        FormatError: it is not YAML, has an unknown key, lacks a name or version, or that is not semver.
    """
    file = parse_yaml(content, path)
    _only(file, file.root, _KEYS)
    for key in ("name", "version"):
        if key not in file.root:
            file.refuse(f"{key} is missing", fix=f"add {key}: …, or ignore the file in release.yaml")
    version = file.root["version"]
    repository = file.root.get("repository")
    return ImageYaml(
        path,
        posixpath.dirname(path),
        file.line(file.root["name"]),
        _version(file, version),
        file.token(version),
        None if repository is None else file.text(repository),
        tuple(_parts(file)),
        _moodle(file),
    )


def _version(file: YamlFile, node: Node) -> Version:
    text = file.line(node)
    try:
        version = parse_version(text)
    except ValueError:
        file.refuse(f"{text!r} is not a semantic version", node, fix="write it like 1.2.3")
    if version.build is not None:
        file.refuse(
            f"an image can't have the version {text}: an OCI tag can't hold build metadata",
            node,
            fix=f"write {version.replace(build=None)}",
        )
    return version


def _parts(file: YamlFile) -> Iterable[Part]:
    if (base := file.root.get("base")) is not None:
        yield Part("image", file.text(base), file.token(base))
    if (contains := file.root.get("contains")) is None:
        return
    lists = file.mapping(contains)
    _only(file, lists, (*_CONTAINS, _MOODLE))
    for key, kind in _CONTAINS.items():
        for item in file.sequence(lists[key]) if key in lists else ():
            yield Part(kind, file.text(item), file.token(item))


def _moodle(file: YamlFile) -> bool:
    contains = file.root.get("contains")
    node = None if contains is None else file.mapping(contains).get(_MOODLE)
    if node is None:
        return False
    text = file.text(node)
    if text not in ("true", "false"):
        file.refuse(f"contains.{_MOODLE} is {text!r}", node, fix="write true or false")
    return text == "true"


def _only(file: YamlFile, mapping: Iterable[str], known: tuple[str, ...]) -> None:
    for key in mapping:
        if key not in known:
            node = file.root.get(key) or file.root.get("contains")
            fix = f"use {', '.join(known)}, or ignore the file in release.yaml if it is no image of ours"
            file.refuse(f"unknown key {key!r}", node, fix=fix)
