"""A Helm chart's ``Chart.yaml`` and ``Chart.lock``.

Source: https://helm.sh/docs/topics/charts/ ; the digest of ``Chart.lock`` is Helm's
``internal/resolver`` ``HashReq``: the SHA-256 of the JSON of [dependencies, locked dependencies].
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from release.formats.yaml import YamlFile, parse_yaml
from release.model.edit import Token
from release.model.edit import digest as sha256
from release.model.version import Version, parse_version

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["ChartDependency", "ChartLock", "ChartYaml", "lock_digest", "parse", "parse_lock"]

_TEXTS = ("name", "version", "repository", "condition", "alias")
_JSON_ORDER = ("name", "version", "repository", "condition", "tags", "enabled", "import-values", "alias")


@dataclass(frozen=True, slots=True)
class ChartDependency:
    """One of ``dependencies``; ``folder`` is that of its chart in the repository, ``None`` for others.

    ``token`` is that of the version, or of the name when there is none.
    """

    name: str
    folder: str | None
    version: str | None
    token: Token
    fields: Mapping[str, Any]
    """All its fields as Helm reads them."""


@dataclass(frozen=True, slots=True)
class ChartYaml:
    """The facts of one chart."""

    path: str
    folder: str
    name: str
    version: Version
    version_token: Token
    app_version: str | None
    app_version_token: Token | None
    dependencies: tuple[ChartDependency, ...]


@dataclass(frozen=True, slots=True)
class ChartLock:
    """The facts of one ``Chart.lock``."""

    digest: str
    digest_token: Token
    dependencies: tuple[ChartDependency, ...]


@lru_cache(maxsize=512)
def parse(content: bytes, path: str) -> ChartYaml:
    """Return the facts of the ``Chart.yaml`` ``content``.

    Raises:
        FormatError: it is not YAML, lacks a name or version, or the version is not a strict semantic version.
    """
    file = parse_yaml(content, path)
    for key in ("name", "version"):
        if key not in file.root:
            file.refuse(f"{key} is missing", fix=f"add {key}: …")
    node = file.root["version"]
    text = file.line(node)
    try:
        version = parse_version(text)
    except ValueError:
        file.refuse(f"{text!r} is not a semantic version", node, fix="write it like 1.2.3")
    app = file.root.get("appVersion")
    folder = posixpath.dirname(path)
    return ChartYaml(
        path,
        folder,
        file.line(file.root["name"]),
        version,
        file.token(node),
        file.optional_text(app),
        file.token(app) if app is not None and file.optional_text(app) else None,
        _dependencies(file, folder),
    )


@lru_cache(maxsize=512)
def parse_lock(content: bytes, path: str) -> ChartLock:
    """Return the facts of the ``Chart.lock`` ``content``.

    Raises:
        FormatError: it is not YAML, or has no digest.
    """
    file = parse_yaml(content, path)
    if "digest" not in file.root:
        file.refuse("digest is missing", fix="run helm dependency update")
    node = file.root["digest"]
    return ChartLock(file.text(node), file.token(node), _dependencies(file, posixpath.dirname(path)))


def lock_digest(wanted: Sequence[Mapping[str, Any]], locked: Sequence[Mapping[str, Any]]) -> str:
    """Return the ``digest`` that Helm 3 and 4 write into ``Chart.lock`` for these dependencies' fields."""
    data = [[_as_go_has_it(fields) for fields in fields_list] for fields_list in (wanted, locked)]
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return f"sha256:{sha256(text.encode())}"


def _as_go_has_it(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``fields`` in the order of Helm's struct, empty ones left out except name and repository."""
    whole = {"name": "", "repository": "", **fields}
    return {key: whole[key] for key in _JSON_ORDER if key in ("name", "repository") or whole.get(key)}


def _dependencies(file: YamlFile, folder: str) -> tuple[ChartDependency, ...]:
    node = file.root.get("dependencies")
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return ()
    items = file.sequence(node)
    return tuple(_dependency(file, folder, item) for item in items)


def _dependency(file: YamlFile, folder: str, node: Node) -> ChartDependency:
    entry = file.mapping(node)
    fields: dict[str, Any] = file.value(node)
    if "name" not in entry:
        file.refuse("a dependency has no name", node)
    for key in _TEXTS:
        if key in entry:
            fields[key] = file.optional_text(entry[key]) or ""
    name, repository, version = file.text(entry["name"]), fields.get("repository", ""), entry.get("version")
    local: str | None = None
    if repository.startswith("file://"):
        local = posixpath.normpath(posixpath.join(folder, repository.removeprefix("file://")))
    elif not repository:
        local = posixpath.join(folder, "charts", name)
    has_version = version is not None and file.optional_text(version)
    return ChartDependency(
        name,
        local,
        file.optional_text(version) if has_version else None,
        file.token(version if version is not None and has_version else entry["name"]),
        fields,
    )
