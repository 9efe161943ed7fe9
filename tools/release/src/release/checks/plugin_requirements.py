"""``plugin-requirements``: what a plugin needs is well-formed and does not contradict itself.

Rules: https://moodledev.io/docs/apis/commonfiles/version.php and ``public/lib/classes/plugininfo/base.php``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from release.checks.plugins import PluginFiles, plugins
from release.checks.rule import Context, Finding, Rule
from release.formats.php import Literal, number_of
from release.formats.version_php import Items
from release.model.component import by_native_name
from release.model.moodle import BRANCHES

__all__ = ["RULE"]

_ID = "plugin-requirements"
_OLDEST_REQUIRES = 2010000000
_NEWEST = max(BRANCHES)
_LATER = re.compile(r"[5-9]\d\d")


def _check(context: Context) -> Iterator[Finding]:
    for plugin in plugins(context):
        yield from _requires(plugin)
        supported = plugin.facts.supported
        branches = plugin.facts.branches
        if supported is not None and branches is None:
            yield _supported_form(plugin, supported)
        elif supported is not None and branches is not None:
            yield from _supported(plugin, supported, *branches)
        yield from _incompatible(plugin, branches)
        yield from _dependencies(plugin)


def _requires(plugin: PluginFiles) -> Iterator[Finding]:
    requires = plugin.facts.requires
    if requires is None:
        yield plugin.finding(
            _ID,
            f"{plugin.component.name} does not say which Moodle it requires",
            None,
            "add $plugin->requires with the version number of the oldest Moodle it works with",
            severity="warning",
        )
        return
    number = number_of(requires.value)
    if number is None or number < _OLDEST_REQUIRES or len(str(int(number))) != 10:
        yield plugin.finding(
            _ID,
            f"$plugin->requires is {requires.token.text}, which is no version number of Moodle",
            requires.token,
            "write ten digits, as 2024100700 for Moodle 4.5",
        )


def _supported_form(plugin: PluginFiles, supported: Items | Literal) -> Finding:
    return plugin.finding(
        _ID,
        f"$plugin->supported is {_short(supported.token.text)}: Moodle wants a list of two whole numbers",
        supported.token,
        "write the lowest and the highest branch, as [401, 405]",
    )


def _supported(plugin: PluginFiles, supported: Items | Literal, low: int, high: int) -> Iterator[Finding]:
    if low > high:
        yield plugin.finding(
            _ID,
            f"$plugin->supported goes from {low} down to {high}",
            supported.token,
            f"write [{high}, {low}]",
        )
        return
    unknown = [branch for branch in (low, high) if not _is_branch(branch)]
    if unknown:
        names = " and ".join(map(str, dict.fromkeys(unknown)))
        yield plugin.finding(
            _ID,
            f"$plugin->supported names {names}, which is no Moodle branch",
            supported.token,
            "Moodle 3.9 is 39, 3.11 is 311, 4.1 is 401, 5.0 is 500",
        )
        return
    requires = number_of(plugin.facts.requires.value) if plugin.facts.requires else None
    if plugin.facts.requires is None or requires is None or low not in BRANCHES:
        return
    if requires >= BRANCHES[low] + 100:
        yield plugin.finding(
            _ID,
            f"$plugin->supported begins with branch {low}, but $plugin->requires is {requires}, "
            f"which no release of that branch reaches",
            plugin.facts.requires.token,
            f"lower requires to {BRANCHES[low]} or raise the first supported branch",
        )
    below = [base for branch, base in BRANCHES.items() if branch < low]
    if below and requires < below[-1] + 100:
        yield plugin.finding(
            _ID,
            f"$plugin->requires lets Moodle {requires} install it, but $plugin->supported begins with {low}",
            plugin.facts.requires.token,
            f"raise requires to {BRANCHES[low]} or lower the first supported branch",
            severity="warning",
        )


def _is_branch(number: int) -> bool:
    return number in BRANCHES or (number > _NEWEST and _LATER.fullmatch(str(number)) is not None)


def _incompatible(plugin: PluginFiles, supported: tuple[int, int] | None) -> Iterator[Finding]:
    incompatible = plugin.facts.incompatible
    if incompatible is None:
        return
    number = number_of(incompatible.value)
    if not isinstance(number, int) or number <= 0:
        yield plugin.finding(
            _ID,
            f"$plugin->incompatible is {incompatible.token.text}: Moodle refuses all but a whole number",
            incompatible.token,
            "write the first branch that it does not work with, as 500",
        )
    elif not _is_branch(number):
        yield plugin.finding(
            _ID,
            f"$plugin->incompatible is {number}, which is no Moodle branch",
            incompatible.token,
            "Moodle 3.9 is 39, 3.11 is 311, 4.1 is 401, 5.0 is 500",
        )
    elif supported and number <= supported[1]:
        yield plugin.finding(
            _ID,
            f"$plugin->incompatible refuses Moodle from branch {number} on, "
            f"but $plugin->supported goes up to {supported[1]}",
            incompatible.token,
            "make incompatible higher than the last supported branch",
        )


def _dependencies(plugin: PluginFiles) -> Iterator[Finding]:
    plugins = by_native_name(plugin.context.components, "plugin")
    for dependency in plugin.facts.dependencies:
        token, number = dependency.needs.token, dependency.number
        part = plugins.get(dependency.component)
        if dependency.component == plugin.component.native:
            yield plugin.finding(_ID, f"{plugin.component.name} depends on itself", dependency.key, "remove the entry")
        elif "_" not in dependency.component:
            yield plugin.finding(
                _ID,
                f"the dependency {dependency.component!r} is no component name",
                dependency.key,
                "write <type>_<name>, as mod_forum",
            )
        elif dependency.any_version:
            continue
        elif number is None or number <= 0 or len(str(int(number))) != 10:
            yield plugin.finding(
                _ID,
                f"{plugin.component.name} needs version {token.text} of {dependency.component}, "
                f"which is neither a version number nor ANY_VERSION",
                token,
                "write ten digits (YYYYMMDDXX) or ANY_VERSION",
            )
        elif part is not None and part.build is not None and number > part.build:
            yield plugin.finding(
                _ID,
                f"{plugin.component.name} needs {part.name} {number}, but here it is {part.build}",
                token,
                f"lower the number to at most {part.build}, or bump {part.name} first",
            )


def _short(text: str) -> str:
    return " ".join(text.split())[:60]


RULE = Rule(_ID, "requires, supported, incompatible and dependencies are well-formed and agree", _check)
