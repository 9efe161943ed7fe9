"""``plugin-db-change-version``: Moodle looks at ``db/`` only when ``$plugin->version`` has risen.

Source of the list: the updates that ``public/lib/upgradelib.php`` makes after a plugin's upgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.plugins import plugins
from release.checks.rule import Context, Finding, Rule

__all__ = ["RULE"]

_ID = "plugin-db-change-version"
_READ_AT_UPGRADE = (
    "access.php",
    "caches.php",
    "events.php",
    "hooks.php",
    "install.xml",
    "log.php",
    "messageinbound_handlers.php",
    "messages.php",
    "mobile.php",
    "renamedclasses.php",
    "services.php",
    "subplugins.json",
    "subplugins.php",
    "tag.php",
    "tasks.php",
    "upgrade.php",
    "upgradelib.php",
)


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        released = context.released.get(plugin.component.name)
        build = plugin.component.build
        if released is None or released.build is None or build is None or build > released.build:
            continue
        acted_on = {plugin.inside(f"db/{name}") for name in _READ_AT_UPGRADE}
        changed = [path for path in released.changed if path in acted_on]
        if changed:
            yield plugin.finding(
                _ID,
                f"{', '.join(changed)} changed since {released.name}, but the version is "
                + (f"still {build}" if build == released.build else f"{build}, below its {released.build}"),
                plugin.facts.version.token if plugin.facts.version else None,
                f"run `release bump {plugin.component.name}`, or write a number above {released.build}",
            )


RULE = Rule(_ID, "a change under db/ comes with a higher version", _check)
