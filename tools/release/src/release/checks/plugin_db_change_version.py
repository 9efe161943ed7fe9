"""``plugin-db-change-version``: Moodle looks at ``db/`` only when ``$plugin->version`` has risen.

Comments and white space of PHP files are nothing that it acts on.

Source of the list: the updates that ``public/lib/upgradelib.php`` makes after a plugin's upgrade.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Released, Rule
from release.errors import FormatError
from release.formats.php import leaves, parse

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
        changed = [path for path in released.changed if path in acted_on and _matters(plugin, released, path)]
        if changed:
            yield plugin.finding(
                _ID,
                f"{', '.join(changed)} changed since {released.name}, but the version is "
                + (f"still {build}" if build == released.build else f"{build}, below its {released.build}"),
                plugin.facts.version.token if plugin.facts.version else None,
                f"run `release bump {plugin.component.name}`, or write a number above {released.build}",
            )


def _matters(plugin: PluginFiles, released: Released, path: str) -> bool:
    """Tell whether ``path`` differs from what was released in more than a PHP file's layout and comments."""
    old = posixpath.join(released.path, posixpath.relpath(path, plugin.component.path or "."))
    before, now = released.tree.read_many([old]).get(old), plugin.context.tree.read_many([path]).get(path)
    if before is None or now is None or not path.endswith(".php"):
        return True
    try:
        return list(leaves(parse(before, old))) != list(leaves(parse(now, path)))
    except FormatError:
        return True


RULE = Rule(_ID, "a change under db/ comes with a higher version", _check)
