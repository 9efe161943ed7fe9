"""``plugin-parsers-agree``: Moodle's upgrade runs ``version.php``, its zip installer only looks at the text.

A plugin for which the two see different things upgrades well from disk and fails as a zip, or the other way
round.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from release.checks.plugins import plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.php import Constant, Literal, Scalar
from release.formats.version_php import VersionPhp, installer_view

__all__ = ["RULE"]

_ID = "plugin-parsers-agree"
_FIXES = {
    "component": "write it as a quoted string",
    "version": "write it as bare digits, in one plain statement",
    "requires": "write it as bare digits, in one plain statement",
    "release": "write it as one quoted string without escapes",
    "maturity": "write one of Moodle's MATURITY_ constants, in one plain statement",
}
_MATURITIES = {"50": "MATURITY_ALPHA", "100": "MATURITY_BETA", "150": "MATURITY_RC", "200": "MATURITY_STABLE"}


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        seen = installer_view(plugin.content)
        if seen.module:
            yield plugin.finding(
                _ID,
                "the zip installer sees $module->version and refuses the plugin",
                None,
                "remove it, also from strings and from code that never runs",
            )
        for name, fix in _FIXES.items():
            literal = _literal(plugin.facts, name)
            installer = getattr(seen, name)
            if _same(literal.value if literal else None, installer):
                continue
            yield plugin.finding(
                _ID,
                f"$plugin->{name} is {literal.token.text if literal else 'not set'} to PHP, "
                f"but the zip installer reads {'nothing' if installer is None else installer}",
                literal.token if literal else None,
                fix,
                severity="warning" if name in {"release", "maturity"} else "error",
            )


def _literal(facts: VersionPhp, name: str) -> Literal | None:
    literal: Literal | None = getattr(facts, name)
    return literal


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


RULE = Rule(_ID, "PHP and Moodle's zip installer read the same from version.php", _check)
