"""A Helm chart's ``values.yaml``: the images it runs.

Two forms are found, as Helm's own starter and most charts have them: a mapping with ``repository`` (and
``registry``, ``tag``, ``digest``), and a string ``image: repository:tag@digest`` (the tag maybe beside it).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from release.formats.yaml import YamlFile, parse_yaml
from release.model.edit import Token

if TYPE_CHECKING:
    from yaml.nodes import Node

__all__ = ["ImageUse", "parse"]

_REFERENCE = re.compile(
    r"(?P<repository>[\w.-]+(?::\d+)?(?:/[\w.-]+)*?)(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>\w+:\w+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One image that the values name: its repository, and the tokens of tag and digest where they are set.

    The tokens of a string's parts are without its quotes.
    """

    repository: str
    token: Token
    tag: str | None
    tag_token: Token | None
    digest_token: Token | None


@lru_cache(maxsize=512)
def parse(content: bytes, path: str) -> tuple[ImageUse, ...]:
    """Return the images of the values file ``content``, in the order of their places.

    Raises:
        FormatError: it is not one YAML mapping.
    """
    file = parse_yaml(content, path)
    found = (use for node in file.nodes() for use in _uses(file, file.mapping(node)))
    return tuple(sorted(found, key=lambda use: use.token.offset))


def _uses(file: YamlFile, values: dict[str, Node]) -> Iterator[ImageUse]:
    repository, image = values.get("repository"), values.get("image")
    if repository is not None and (name := file.optional_text(repository)):
        registry = file.optional_text(values.get("registry"))
        yield _beside(file, f"{registry}/{name}" if registry else name, repository, values)
    if image is not None and (reference := file.optional_text(image)):
        parts = _REFERENCE.fullmatch(reference)
        if parts is None:
            return
        if parts["tag"] is None and parts["digest"] is None:
            yield _beside(file, reference, image, values)
            return
        whole = file.token(image)
        start = whole.text.find(reference)
        if start < 0:
            return
        tokens = {
            name: whole.part(start + parts.start(name), len(parts[name]))
            for name in ("repository", "tag", "digest")
            if parts[name] is not None
        }
        yield ImageUse(parts["repository"], tokens["repository"], parts["tag"], tokens.get("tag"), tokens.get("digest"))


def _beside(file: YamlFile, name: str, node: Node, values: dict[str, Node]) -> ImageUse:
    tag, digest = values.get("tag"), values.get("digest")
    text = file.optional_text(tag)
    return ImageUse(
        name,
        file.token(node),
        text or None,
        file.token(tag) if tag is not None and text else None,
        file.token(digest) if digest is not None and file.optional_text(digest) else None,
    )
