"""``plugins.lock``, this product's own list of the plugins of others that are put into Moodle.

It is sorted by name, and written by ``release image plugins add``::

    version: 1
    plugins:
      - name: mod_customcert
        version: 2026042005
        url: https://example.com/mod_customcert.zip
        sha256: 64 hexadecimal digits, of the zip
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from release.errors import Place
from release.formats.version_php_views import is_plugin_name
from release.formats.yaml import YamlFile, parse_yaml, plain_or_quoted

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["LockedPlugin", "parse", "render"]

_KEYS = ("name", "version", "url", "sha256")
_PATTERNS = {
    "version": (re.compile(r"[0-9]{10}"), "ten digits, as in its version.php"),
    "url": (re.compile(r"https://\S+|http://(?:localhost|127\.0\.0\.1)(?::\d+)?/\S+"), "an address with https://"),
    "sha256": (re.compile(r"[0-9a-f]{64}"), "the 64 hexadecimal digits of sha256sum"),
}


@dataclass(frozen=True, slots=True)
class LockedPlugin:
    """A plugin of others: its zip's address and SHA-256, and the name and version that must be in it."""

    name: str
    version: int
    url: str
    sha256: str
    place: Place


def parse(content: bytes, path: str) -> tuple[LockedPlugin, ...]:
    """Return the plugins that the ``plugins.lock`` ``content`` lists.

    Raises:
        FormatError: it is not YAML, lacks a key or has another, or names a plugin twice.
    """
    file = parse_yaml(content, path)
    for key, node in file.root.items():
        if key not in ("version", "plugins"):
            file.refuse(f"unknown key {key!r}", node, fix="use version and plugins")
    if "version" not in file.root or file.text(file.root["version"]) != "1":
        file.refuse("the version of the format is not 1", file.root.get("version"), fix="write version: 1")
    found: dict[str, LockedPlugin] = {}
    for node in file.sequence(file.root["plugins"]) if "plugins" in file.root else ():
        one = _plugin(file, node)
        if one.name in found:
            file.refuse(f"{one.name} is there twice", node, fix="keep one of them")
        found[one.name] = one
    return tuple(found.values())


def render(plugins: Iterable[LockedPlugin]) -> bytes:
    """Return the file that lists ``plugins``; :func:`parse` reads them back."""
    lines = ["# Written by `release image plugins add`.", "version: 1", "plugins:"]
    for one in sorted(plugins, key=lambda plugin: plugin.name):
        values = (one.name, str(one.version), plain_or_quoted(one.url, ""), one.sha256)
        lines += [f"  {'-' if key == 'name' else ' '} {key}: {value}" for key, value in zip(_KEYS, values, strict=True)]
    return ("\n".join(lines) + ("" if len(lines) > 3 else " []") + "\n").encode()


def _plugin(file: YamlFile, node: Node) -> LockedPlugin:
    entry = file.mapping(node)
    for key in (*_KEYS, *entry):
        if key not in entry or key not in _KEYS:
            what = f"{key} is missing" if key in _KEYS else f"unknown key {key!r}"
            file.refuse(what, entry.get(key, node), fix=f"each plugin has {', '.join(_KEYS)}")
    values = {key: file.text(entry[key]) for key in _KEYS}
    if not is_plugin_name(values["name"]):
        file.refuse(f"{values['name']!r} is no name of a plugin", entry["name"], fix="write <type>_<name>")
    for key, (pattern, fix) in _PATTERNS.items():
        if not pattern.fullmatch(values[key]):
            file.refuse(f"the {key} of {values['name']} is {values[key]!r}", entry[key], fix=f"write {fix}")
    token = file.token(entry["name"])
    return LockedPlugin(
        values["name"], int(values["version"]), values["url"], values["sha256"],
        Place(file.path, token.line, token.column),
    )  # fmt: skip
