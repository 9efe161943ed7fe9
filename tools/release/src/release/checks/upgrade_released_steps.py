"""``upgrade-released-steps``: a step that was released has run on sites and will not run there again.

Edits of its code reach only some sites, another number makes it run twice, and a new step below the released
number never runs where that release is installed.
"""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Released, Rule
from release.errors import FormatError
from release.formats import upgrade_php
from release.formats.upgrade_php import Number, Step, UpgradePhp

__all__ = ["RULE"]

_ID = "upgrade-released-steps"
_Steps = dict[Number, Step]


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        released = context.released.get(plugin.component.name)
        if released is None:
            continue
        path = plugin.inside("db/upgrade.php")
        try:
            before = _steps(_released_upgrade(released))
        except FormatError as error:
            yield plugin.finding(
                _ID,
                f"what {released.name} released can't be compared with: {error.what}",
                None,
                "compare its steps by hand",
                path=path,
                severity="warning",
            )
            continue
        now = _steps(plugin.upgrade())
        yield from _edited(plugin, path, released, before, now)
        yield from _gone(plugin, path, released, before, now)
        yield from _late(plugin, path, released, before, now)


def _released_upgrade(released: Released) -> UpgradePhp | None:
    path = f"{released.path}/db/upgrade.php" if released.path else "db/upgrade.php"
    content = released.tree.read_many([path]).get(path)
    return None if content is None else upgrade_php.parse(content, path)


def _steps(upgrade: UpgradePhp | None) -> _Steps:
    functions = upgrade.functions if upgrade else ()
    return {step.number: step for function in functions for step in function.steps}


def _edited(plugin: PluginFiles, path: str, released: Released, before: _Steps, now: _Steps) -> Iterator[Finding]:
    for number in sorted(before.keys() & now.keys()):
        if before[number].digest != now[number].digest:
            yield plugin.finding(
                _ID,
                f"the step {number} was released in {released.name} and has been edited since",
                now[number].token,
                "put it back as it was and do the rest in a new step",
                path=path,
            )


def _gone(plugin: PluginFiles, path: str, released: Released, before: _Steps, now: _Steps) -> Iterator[Finding]:
    added = {step.digest: step for number, step in now.items() if number not in before}
    kept = before.keys() & now.keys()
    for number in sorted(before.keys() - now.keys()):
        moved = added.get(before[number].digest)
        if moved is not None:
            yield plugin.finding(
                _ID,
                f"the step {number} was released in {released.name} and is {moved.number} now: it runs twice",
                moved.token,
                f"give it its number {number} back",
                path=path,
            )
            continue
        oldest = all(number < other for other in kept)
        yield plugin.finding(
            _ID,
            f"the step {number}, released in {released.name}, is gone: sites below it miss it",
            None,
            "put it back" + (", unless no site that old is supported" if oldest else ""),
            path=path,
            severity="warning" if oldest else "error",
        )


def _late(plugin: PluginFiles, path: str, released: Released, before: _Steps, now: _Steps) -> Iterator[Finding]:
    gone = {step.digest for number, step in before.items() if number not in now}
    for number, step in now.items():
        is_new = number not in before and step.digest not in gone
        if is_new and released.build is not None and number <= released.build:
            yield plugin.finding(
                _ID,
                f"the new step {number} never runs on sites that have {released.name} ({released.build})",
                step.token,
                f"give it a number above {released.build}",
                path=path,
            )


RULE = Rule(_ID, "a released upgrade step is neither edited nor renumbered nor removed", _check)
