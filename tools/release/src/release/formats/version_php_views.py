"""Where Moodle's two readers of ``version.php`` differ: PHP runs it, the zip installer looks at its text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from release.formats.php import Constant, Literal, Scalar
from release.formats.version_php import InstallerView, VersionPhp

__all__ = ["Disagreement", "disagreements", "is_plugin_name"]

_FIXES = {
    "component": "write it as a quoted string",
    "version": "write it as bare digits, in one plain statement",
    "requires": "write it as bare digits, in one plain statement",
    "release": "write it as one quoted string without escapes",
    "maturity": "write one of Moodle's MATURITY_ constants, in one plain statement",
}
_MATURITIES = {"50": "MATURITY_ALPHA", "100": "MATURITY_BETA", "150": "MATURITY_RC", "200": "MATURITY_STABLE"}
_MODULE = re.compile(r"mod_[a-z][a-z0-9]*")
_PLUGIN = re.compile(r"[a-z][a-z0-9]*_[a-z](?:[a-z0-9_](?!__))*[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A property that PHP reads as ``literal`` (``None``: not set) and the installer differently."""

    name: str
    what: str
    literal: Literal | None
    fix: str

    @property
    def essential(self) -> bool:
        """Whether the installer refuses the plugin or installs another version than PHP would."""
        return self.name not in {"release", "maturity"}


def disagreements(facts: VersionPhp, seen: InstallerView) -> Iterator[Disagreement]:
    """Yield each property that the two read differently."""
    for name, fix in _FIXES.items():
        literal: Literal | None = getattr(facts, name)
        installer = getattr(seen, name)
        if not _same(literal.value if literal else None, installer):
            what = (
                f"$plugin->{name} is {literal.token.text if literal else 'not set'} to PHP, "
                f"but the zip installer reads {'nothing' if installer is None else installer}"
            )
            yield Disagreement(name, what, literal, fix)


def is_plugin_name(component: str) -> bool:
    """Tell whether Moodle takes ``component`` for the name of a plugin (``core_component::is_valid_plugin_name``)."""
    return (_MODULE if component.startswith("mod_") else _PLUGIN).fullmatch(component) is not None


def _same(value: Scalar | None, text: str | None) -> bool:
    match value:
        case None:
            return text is None
        case Constant(name):
            return text is not None and name == _MATURITIES.get(text, text)
        case str():
            return text == value
        case _:
            if text is None:
                return False
            number = {constant: number for number, constant in _MATURITIES.items()}.get(text, text)
            return number.replace(".", "", 1).isdigit() and Decimal(number) == value
