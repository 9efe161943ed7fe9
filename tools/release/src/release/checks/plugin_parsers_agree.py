"""``plugin-parsers-agree``: Moodle's upgrade runs ``version.php``, its zip installer only looks at the text.

A plugin for which the two see different things upgrades well from disk and fails as a zip, or the other way
round.
"""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.plugins import plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.version_php import installer_view
from release.formats.version_php_views import disagreements

__all__ = ["RULE"]

_ID = "plugin-parsers-agree"


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
        for found in disagreements(plugin.facts, seen):
            yield plugin.finding(
                _ID,
                found.what,
                found.literal.token if found.literal else None,
                found.fix,
                severity="error" if found.essential else "warning",
            )


RULE = Rule(_ID, "PHP and Moodle's zip installer read the same from version.php", _check)
