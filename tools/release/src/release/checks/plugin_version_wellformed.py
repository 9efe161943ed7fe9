"""``plugin-version-wellformed``: ``$plugin->version`` is YYYYMMDDXX, a date and a count."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from release.checks.plugins import plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.php import number_of

__all__ = ["RULE"]

_ID = "plugin-version-wellformed"


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        version = plugin.facts.version
        if version is None:
            yield plugin.finding(
                _ID,
                f"{plugin.component.name} has no version number",
                plugin.facts.component.token if plugin.facts.component else None,
                "add $plugin->version = YYYYMMDDXX;",
            )
            continue
        number = number_of(version.value)
        if not isinstance(number, int) or len(str(number)) != 10:
            yield plugin.finding(
                _ID,
                f"{version.token.text} is not of the form YYYYMMDDXX",
                version.token,
                "write ten digits: the date and a count from 00",
            )
        elif not _is_date(number // 100):
            yield plugin.finding(
                _ID,
                f"{version.token.text} does not begin with a date: there is no {number // 100}",
                version.token,
                "write YYYYMMDDXX with a day that exists; `release bump` writes the next one",
            )


def _is_date(number: int) -> bool:
    try:
        date(number // 10000, number // 100 % 100, number % 100)
    except ValueError:
        return False
    return True


RULE = Rule(_ID, "a plugin's version is ten digits that begin with a date", _check)
