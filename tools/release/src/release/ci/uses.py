"""The actions that workflow files use, with the version that the comment beside each claims."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from release.ci.pins import SHA, USES, repository_of
from release.ci.render import MARK
from release.errors import Place
from release.formats.yaml import parse_yaml

__all__ = ["WORKFLOWS", "Use", "is_generated", "is_workflow", "read"]

WORKFLOWS = ".github/workflows/"
"""The folder that GitHub reads workflows from."""

_COMMENT = re.compile(r"[ \t]+#[ \t]*(\S+)")


@dataclass(frozen=True, slots=True)
class Use:
    """``uses: ACTION@REF # VERSION``; ``version`` is ``""`` without a comment."""

    uses: str
    ref: str
    version: str
    place: Place

    @property
    def repository(self) -> str:
        """The repository that the action is in, ``OWNER/NAME``."""
        return repository_of(self.uses)

    @property
    def pinned(self) -> bool:
        """Whether the reference is a whole commit SHA."""
        return SHA.fullmatch(self.ref) is not None


def is_workflow(path: str) -> bool:
    """Tell whether GitHub reads the file ``path`` as a workflow."""
    inner = path.removeprefix(WORKFLOWS)
    return inner != path and "/" not in inner and inner.endswith((".yml", ".yaml"))


def is_generated(content: bytes) -> bool:
    """Tell whether a workflow's ``content`` was written by ``release ci generate``."""
    return content.startswith(MARK.encode())


def read(files: Mapping[str, bytes]) -> tuple[Use, ...]:
    """Return the uses of other repositories' actions and workflows in ``files`` (content by path), in their order.

    What is in this repository (``./…``, ``$/…``) or an image (``docker://…``) is left out.

    Raises:
        FormatError: a file is not YAML.
    """
    return tuple(use for path, content in sorted(files.items()) for use in _uses(content, path))


def _uses(content: bytes, path: str) -> Iterator[Use]:
    file = parse_yaml(content, path)
    for mapping in file.nodes():
        node = next((value for key, value in mapping.value if key.value == "uses"), None)
        text = file.optional_text(node)
        if node is None or text is None:
            continue
        uses, _, ref = text.partition("@")
        if not ref or not USES.fullmatch(uses):
            continue
        comment = _COMMENT.match(file.source.text, file.span(node)[1])
        yield Use(uses, ref, comment[1] if comment else "", file.place(node))
