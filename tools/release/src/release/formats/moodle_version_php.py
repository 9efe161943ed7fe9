"""Moodle's own ``public/version.php``: which Moodle a tree is."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from release.errors import FormatError, Place
from release.formats.php import Scalar, number_of, parse, read_literal, text_of

__all__ = ["MoodleVersion", "read"]


@dataclass(frozen=True, slots=True)
class MoodleVersion:
    """``number`` is what ``requires`` is compared with, ``branch`` what ``supported`` is; ``text`` is for people."""

    number: Decimal
    branch: int
    text: str


def read(content: bytes, path: str) -> MoodleVersion:
    """Return what ``content`` says.

    Raises:
        FormatError: it is no PHP, or sets no version, release or branch.
    """
    found: dict[str, Scalar] = {}
    for statement in parse(content, path).named_children:
        expression = statement.named_children[0] if statement.type == "expression_statement" else None
        left = expression.child_by_field_name("left") if expression is not None else None
        right = expression.child_by_field_name("right") if expression is not None else None
        literal = read_literal(content, right) if right is not None else None
        if left is not None and literal is not None:
            found[text_of(left)] = literal.value
    number, branch = (number_of(found.get(name)) for name in ("$version", "$branch"))
    text = found.get("$release")
    if number is None or branch is None or not isinstance(text, str):
        raise FormatError(
            f"{path} is no version.php of Moodle",
            where=[Place(path)],
            fix="it sets $version, $release and $branch; name the root of Moodle's source",
        )
    return MoodleVersion(Decimal(number), int(branch), text)
