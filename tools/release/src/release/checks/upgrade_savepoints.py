"""``upgrade-savepoints``: each upgrade step ends with the savepoint of its own number, in ascending order.

Rules: https://moodledev.io/docs/guides/upgrade and ``public/lib/upgradelib.php``: a savepoint that is not
above the number in the database throws, and one above ``version.php`` makes the next upgrade a downgrade.
"""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.php import number_of
from release.formats.upgrade_php import Function, Savepoint, Step, UpgradePhp

__all__ = ["RULE"]

_ID = "upgrade-savepoints"


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        upgrade = plugin.upgrade()
        if upgrade is None:
            continue
        wanted = _function_name(plugin)
        function = next((one for one in upgrade.functions if one.name.text == wanted), None)
        if function is None:
            yield _misnamed(plugin, upgrade, wanted)
            continue
        for step in function.steps:
            yield from _step(plugin, upgrade.path, step)
        yield from _order(plugin, upgrade.path, function)
        yield from _strays(plugin, upgrade.path, function)
        for savepoint in upgrade.savepoints:
            yield from _savepoint(plugin, upgrade.path, savepoint)
        if not function.returns_true:
            yield plugin.finding(
                _ID,
                f"{wanted} never returns true, so Moodle takes each upgrade as failed",
                function.name,
                "end it with `return true;`",
                path=upgrade.path,
            )


def _function_name(plugin: PluginFiles) -> str:
    """Return the upgrade function's name; that of a module lacks the ``mod_``."""
    return f"xmldb_{plugin.component.native.removeprefix('mod_')}_upgrade"


def _misnamed(plugin: PluginFiles, upgrade: UpgradePhp, wanted: str) -> Finding:
    found = ", ".join(function.name.text for function in upgrade.functions)
    return plugin.finding(
        _ID,
        f"there is no function {wanted}" + (f", only {found}" if found else "") + ": Moodle runs no step",
        upgrade.functions[0].name if upgrade.functions else None,
        f"name the function {wanted}",
        path=upgrade.path,
    )


def _step(plugin: PluginFiles, path: str, step: Step) -> Iterator[Finding]:
    if step.inclusive:
        yield plugin.finding(
            _ID,
            f"the step also runs at {step.number} itself, where its savepoint throws",
            step.token,
            f"write `$oldversion < {step.number}`",
            path=path,
        )
    if not step.savepoints:
        yield plugin.finding(
            _ID,
            f"the step {step.number} has no savepoint: it runs again when a later step fails",
            step.token,
            f"end it with {_call(plugin, str(step.number))}",
            path=path,
        )
    elif not step.settled:
        yield plugin.finding(
            _ID,
            f"the savepoint of the step {step.number} may not run: then the step runs again when a later one fails",
            step.savepoints[-1].token,
            "put it at the end of the step, outside of any condition",
            path=path,
        )
    for savepoint in [point for point in step.savepoints if point.unconditional][1:]:
        yield plugin.finding(
            _ID,
            f"the step {step.number} has more than one savepoint: the second throws",
            savepoint.token,
            "keep one of them",
            path=path,
        )
    for savepoint in step.savepoints:
        if savepoint.number is not None and savepoint.number != step.number:
            yield plugin.finding(
                _ID,
                f"the step is {step.number}, its savepoint {savepoint.number}",
                savepoint.token,
                "give both the same number",
                path=path,
            )


def _order(plugin: PluginFiles, path: str, function: Function) -> Iterator[Finding]:
    for before, step in zip(function.steps, function.steps[1:], strict=False):
        if step.number <= before.number:
            relation = "repeats" if step.number == before.number else "is lower than"
            yield plugin.finding(
                _ID,
                f"the step {step.number} {relation} the one before, {before.number}: its savepoint throws",
                step.token,
                "put the steps in ascending order, each with a number of its own",
                path=path,
            )


def _strays(plugin: PluginFiles, path: str, function: Function) -> Iterator[Finding]:
    for savepoint in function.strays:
        yield plugin.finding(
            _ID,
            "this savepoint is in no `if ($oldversion < …)`: it throws at the second upgrade",
            savepoint.token,
            "put it at the end of its step",
            path=path,
        )


def _savepoint(plugin: PluginFiles, path: str, savepoint: Savepoint) -> Iterator[Finding]:
    if not _is_own(plugin, savepoint):
        yield plugin.finding(
            _ID,
            f"`{' '.join(savepoint.token.text.split())}` is not the savepoint of {plugin.component.name}",
            savepoint.token,
            f"write {_call(plugin, str(savepoint.number) if savepoint.number is not None else '…')}",
            path=path,
        )
    version = number_of(plugin.facts.version.value) if plugin.facts.version else None
    if savepoint.number is None:
        yield plugin.finding(
            _ID,
            "the savepoint's number is computed, so it can't be checked",
            savepoint.token,
            "write the number itself",
            path=path,
            severity="warning",
        )
    elif version is not None and savepoint.number > version:
        yield plugin.finding(
            _ID,
            f"the savepoint {savepoint.number} is above $plugin->version, {version}: "
            f"sites that ran it can't upgrade any more",
            savepoint.token,
            f"raise $plugin->version to at least {savepoint.number}",
            path=path,
        )


def _is_own(plugin: PluginFiles, savepoint: Savepoint) -> bool:
    """Tell whether the savepoint is that of the plugin; a computed argument may be anything.

    The functions for modules and blocks only call the one for plugins, so either will do.
    """
    kind, _, name = plugin.component.native.partition("_")
    match savepoint.function:
        case "upgrade_plugin_savepoint":
            own: tuple[str, ...] = (kind, name)
        case "upgrade_mod_savepoint" if kind == "mod":
            own = (name,)
        case "upgrade_block_savepoint" if kind == "block":
            own = (name,)
        case _:
            return False
    return all(given in (None, wanted) for given, wanted in zip(savepoint.names, own, strict=True))


def _expected(plugin: PluginFiles) -> tuple[str, tuple[str, ...]]:
    kind, _, name = plugin.component.native.partition("_")
    match kind:
        case "mod" | "block":
            return f"upgrade_{kind}_savepoint", (name,)
        case _:
            return "upgrade_plugin_savepoint", (kind, name)


def _call(plugin: PluginFiles, number: str) -> str:
    function, names = _expected(plugin)
    return f"{function}(true, {number}, {', '.join(repr(name) for name in names)});"


RULE = Rule(_ID, "each upgrade step has its savepoint, in ascending order and with the right name", _check)
