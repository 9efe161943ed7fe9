"""Terraform's root modules: which folders each is made of, and which of them a change concerns."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from release.errors import ConfigError, FormatError, Place
from release.model.component import Tree
from release.workspace.config import CONFIG, Config, locate
from release.workspace.globs import matcher

__all__ = [
    "LOCK",
    "affected_roots",
    "check_roots",
    "concerns",
    "inputs",
    "is_configuration",
    "is_loaded",
    "normal",
    "sources",
]

LOCK = ".terraform.lock.hcl"
_CALL = re.compile(rb"\bmodule(?:[ \t]|/\*)*[\"A-Za-z_]")
"""What a file has in it that calls a module, in either syntax; a file without it is not parsed."""
_PER_ENVIRONMENT = (".tfvars", ".tfbackend")


def is_configuration(name: str) -> bool:
    """Tell whether Terraform reads a file of this name as configuration.

    https://developer.hashicorp.com/terraform/language/files
    """
    return name.endswith((".tf", ".tf.json")) and not name.startswith((".", "#")) and not name.endswith("~")


def is_loaded(name: str, environment: str) -> bool:
    """Tell whether a plan of ``environment`` reads a file of this name in its root without being told to by HCL."""
    return (
        is_configuration(name)
        or name in ("terraform.tfvars", "terraform.tfvars.json")
        or name.endswith((".auto.tfvars", ".auto.tfvars.json"))
        or name in {f"{environment}{suffix}" for suffix in _PER_ENVIRONMENT}
    )


def inputs(tree: Tree, root: str) -> frozenset[str]:
    """Return the folders that ``root`` is made of: itself and every local module it reaches.

    Folders are POSIX paths from the top (``""`` for the top itself). A module is local when its ``source`` starts with
    ``./`` or ``../``: https://developer.hashicorp.com/terraform/language/modules/sources#local-paths

    Raises:
        FormatError: a file with modules can't be read, or a source leads to no folder with configuration.
    """
    folders: dict[str, list[str]] = {}
    for path in tree.files():
        folder, _, name = path.rpartition("/")
        if is_configuration(name):
            folders.setdefault(folder, []).append(path)
    found = {root}
    queue = [root]
    while queue:
        folder = queue.pop()
        contents = tree.read_many(folders.get(folder, ()))
        for path, content in sorted(contents.items()):
            for source in sources(path, content):
                target = posixpath.normpath(posixpath.join(folder, source))
                target = "" if target == "." else target
                if target not in folders:
                    raise FormatError(
                        f"the module source {source!r} leads to {target}, where no configuration is",
                        where=[_place(path, content, source)],
                        fix="correct the source, or commit the module",
                    )
                if target not in found:
                    found.add(target)
                    queue.append(target)
    return frozenset(found)


def concerns(path: str, root: str, environment: str, folders: Collection[str], others: Collection[str]) -> bool:
    """Tell whether ``path`` is a part of what ``root`` is planned from in ``environment``.

    ``folders`` are its :func:`inputs`, ``others`` the environments it has beside: their own files are no part of it.
    """
    folder, _, name = path.rpartition("/")
    if folder == root and name != "terraform.tfvars":
        stem, dot, suffix = name.rpartition(".")
        if f"{dot}{suffix}" in _PER_ENVIRONMENT and stem != environment and stem in others:
            return False
    return any(one in ("", path) or path.startswith(f"{one}/") for one in folders)


def affected_roots(tree: Tree, config: Config, changed: Iterable[str]) -> list[tuple[str, str]]:
    """Return the (root, environment) pairs that a change of the paths ``changed`` concerns, in the configured order.

    ``release.yaml`` itself and what matches ``everything`` concern all of them.

    Raises:
        FormatError: see :func:`inputs`.
    """
    if config.terraform is None:
        return []
    everything = matcher(config.everything)
    paths = list(changed)
    every = any(path == CONFIG or everything(path) for path in paths)
    found = []
    for one in config.terraform.roots:
        root = normal(one.path)
        folders = inputs(tree, root) if paths and not every else frozenset[str]()
        found += [
            (one.path, environment)
            for environment in one.environments
            if every or any(concerns(path, root, environment, folders, one.environments) for path in paths)
        ]
    return found


def normal(path: str) -> str:
    """Return ``path`` without what does not count in it; ``""`` is the top."""
    text = posixpath.normpath(path)
    return "" if text == "." else text


def check_roots(tree: Tree, config: Config, content: bytes | None) -> None:
    """Refuse roots that are not there and environments that ``environments`` does not have.

    ``content`` is what ``config`` was read from.

    Raises:
        ConfigError: with the place in ``release.yaml``.
    """
    if config.terraform is None:
        return
    folders = {path.rpartition("/")[0] for path in tree.files() if is_configuration(path.rpartition("/")[2])}
    seen: set[str] = set()
    for number, one in enumerate(config.terraform.roots):
        at = ("terraform", "roots", str(number))
        if normal(one.path) not in folders:
            raise ConfigError(
                f"{CONFIG}: the Terraform root {one.path} has no *.tf file that git tracks",
                where=[locate(content, *at, "path")],
                fix="correct the path, or commit the root",
            )
        if normal(one.path) in seen:
            raise ConfigError(
                f"{CONFIG}: the Terraform root {one.path} is there twice",
                where=[locate(content, *at, "path")],
                fix="name all its environments in one entry",
            )
        seen.add(normal(one.path))
        for position, environment in enumerate(one.environments):
            if environment not in config.environments:
                raise ConfigError(
                    f"{CONFIG}: the Terraform root {one.path} is for {environment}, which is in no `environments`",
                    where=[locate(content, *at, "environments", str(position))],
                    fix=f"add {environment} to `environments`, or correct the name",
                )


def sources(path: str, content: bytes) -> Iterator[str]:
    """Yield the sources of local modules that the file calls.

    Raises:
        FormatError: it can't be read as configuration.
    """
    if not _CALL.search(content):
        return
    for source in _jsonsources(path, content) if path.endswith(".json") else _hclsources(path, content):
        if source.startswith(("./", "../")) or source in (".", ".."):
            yield source


def _hclsources(path: str, content: bytes) -> Iterator[str]:
    import hcl2
    from lark.exceptions import UnexpectedInput

    try:
        document: dict[str, Any] = hcl2.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _unreadable(path, "it is not UTF-8", content.count(b"\n", 0, error.start) + 1) from None
    except UnexpectedInput as error:
        line, column = (max(int(getattr(error, name, 0) or 0), 0) for name in ("line", "column"))
        raise _unreadable(path, "its syntax is wrong here", line, column) from None
    for block in document.get("module", ()):
        for body in block.values():
            source = body.get("source") if isinstance(body, dict) else None
            if isinstance(source, str) and source.startswith('"'):
                yield source[1:-1]


def _jsonsources(path: str, content: bytes) -> Iterator[str]:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise _unreadable(path, "it is not JSON", getattr(error, "lineno", 0), getattr(error, "colno", 0)) from None
    for block in _objects(document):
        for modules in _objects(block.get("module")):
            for name in modules:
                for body in _objects(modules[name]):
                    if isinstance(body.get("source"), str):
                        yield body["source"]


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield ``value``, or what it lists: JSON syntax allows both.

    https://developer.hashicorp.com/terraform/language/syntax/json#nested-block-mapping
    """
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, dict):
            yield one


def _unreadable(path: str, why: str, line: int, column: int = 0) -> FormatError:
    return FormatError(
        f"{path} can't be read as Terraform configuration: {why}",
        where=[Place(path, line, column)],
        fix="run `terraform validate` there and mend what it says",
    )


def _place(path: str, content: bytes, source: str) -> Place:
    at = content.find(f'"{source}"'.encode())
    return Place(path, content.count(b"\n", 0, at) + 1, at - content.rfind(b"\n", 0, at)) if at >= 0 else Place(path)
