"""``plugin-component-folder``: Moodle finds a plugin by its folder and refuses one with another name."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.moodle_core import PLUGIN_FOLDERS
from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.version_php_views import is_plugin_name

__all__ = ["RULE"]

_ID = "plugin-component-folder"


def _check(context: Context) -> Iterator[Finding]:
    folders = {component.path for component in context.components.values() if component.kind == "plugin"}
    for plugin in plugins(context):
        name = plugin.component.native
        token = plugin.facts.component.token if plugin.facts.component else None
        if not is_plugin_name(name):
            yield plugin.finding(
                _ID,
                f"{name!r} is no name that Moodle takes for a plugin",
                token,
                "name it <type>_<name> in small letters, digits and single underscores, the name of a module "
                "(mod_…) without underscores",
            )
            continue
        expected = _expected(plugin, folders)
        if expected is not None and expected != name:
            yield plugin.finding(
                _ID,
                f"the component is {name}, but its folder {plugin.component.path} is that of {expected}",
                token,
                f"write $plugin->component = '{expected}'; or move the folder",
            )


def _expected(plugin: PluginFiles, folders: set[str]) -> str | None:
    """Return the component that the layout wants in the plugin's folder, ``None`` when it does not say.

    The type comes from the folder above, as Moodle has it. Of a plugin that lies within another one only the
    name is compared when the outer plugin itself says which types it has.
    """
    parent, _, folder = plugin.component.path.rpartition("/")
    if not folder or folder == plugin.component.native:
        return None
    inner = _below_outer_plugin(parent, folders)
    segments = parent.split("/")
    for start in range(len(segments)):
        above = "/".join(segments[start:])
        if above in PLUGIN_FOLDERS and (inner is None or len(above) > len(inner)):
            return f"{PLUGIN_FOLDERS[above]}_{folder}"
    if inner is not None:
        return f"{plugin.type}_{folder}"
    kind, _, rest = folder.partition("_")
    return folder if rest and kind in PLUGIN_FOLDERS.values() else None


def _below_outer_plugin(path: str, folders: set[str]) -> str | None:
    """Return ``path`` relative to the nearest plugin that it lies in, ``None`` when it lies in none."""
    outer = path
    while outer:
        if outer in folders:
            return path[len(outer) :].lstrip("/")
        outer = outer.rpartition("/")[0]
    return None


RULE = Rule(_ID, "a plugin's component matches the folder that it lies in", _check)
