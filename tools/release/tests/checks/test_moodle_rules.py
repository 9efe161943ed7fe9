"""What each rule about Moodle plugins reports, and what it lets pass."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from release.checks import RULES
from release.checks.rule import Context, Finding, Released, Rule
from release.errors import Place
from release.model.component import Component, Tree
from release.model.version import parse_version
from release.workspace.kinds.plugin import Plugin
from trees import FolderTree, MemoryTree

BY_ID = {rule.id: rule for rule in RULES}
LIB = b"\x7fELF"
LIB_SHA = hashlib.sha256(LIB).hexdigest()


def version_php(component: str = "local_a", version: str = "2026010100", more: str = "") -> str:
    return (
        f"<?php\n$plugin->version = {version};\n$plugin->component = '{component}';\n"
        f"$plugin->requires = 2024100700;\n{more}"
    )


def upgrade_php(*steps: str, name: str = "local_a") -> str:
    return f"<?php\nfunction xmldb_{name}_upgrade($oldversion) {{\n{chr(10).join(steps)}\nreturn true;\n}}\n"


def step(number: int, body: str = "", savepoint: int | None = None) -> str:
    point = f"upgrade_plugin_savepoint(true, {savepoint or number}, 'local', 'a');"
    return f"if ($oldversion < {number}) {{ {body} {point} }}"


def context(tree: Tree, *others: Component, released: Mapping[str, Released] | None = None) -> Context:
    kind = Plugin()
    components = {one.name: one for one in [*kind.discover(tree, tree.files()), *others]}
    edges = [edge for one in components.values() if one.kind == "plugin" for edge in kind.edges(tree, one, components)]
    return Context(tree, components, edges, released or {})


def findings(rule: str, files: dict[str, str | bytes], *others: Component) -> list[Finding]:
    found = list(BY_ID[rule].check(context(MemoryTree(files), *others)))
    assert all(finding.rule == rule and finding.fix for finding in found)
    return found


def shown(found: list[Finding]) -> list[str]:
    return [f"{finding.severity} {finding.place}: {finding.what}" for finding in found]


def test_each_rule_is_named_after_its_module() -> None:
    assert len(BY_ID) == len(RULES)
    assert all(rule.check.__module__.rpartition(".")[2] == rule.id.replace("-", "_") and rule.summary for rule in RULES)


@pytest.mark.parametrize(
    ("folder", "component"),
    [
        ("plugins/local_one", "local_one"),
        ("mod/forum", "mod_forum"),
        ("public/admin/tool/policy", "tool_policy"),
        ("moodle/public/question/type/stack", "qtype_stack"),
        ("public/mod/quiz/report/overview", "quiz_overview"),
        ("checkout-of-anything", "local_one"),
        ("", "local_one"),
    ],
)
def test_a_folder_that_fits_the_component_is_fine(folder: str, component: str) -> None:
    path = f"{folder}/version.php" if folder else "version.php"
    assert findings("plugin-component-folder", {path: version_php(component)}) == []


@pytest.mark.parametrize(
    ("folder", "component", "expected"),
    [
        ("plugins/local_two", "local_one", "local_two"),
        ("public/mod/chat", "mod_forum", "mod_chat"),
        ("public/admin/tool/policy", "local_policy", "tool_policy"),
    ],
)
def test_a_folder_of_another_component_is_found(folder: str, component: str, expected: str) -> None:
    (found,) = findings("plugin-component-folder", {f"{folder}/version.php": version_php(component)})
    assert str(found.place) == f"{folder}/version.php:3:22"
    assert expected in found.what
    assert found.component == component


def test_a_subplugin_of_a_foreign_plugin_has_a_type_of_its_own() -> None:
    files: dict[str, str | bytes] = {
        "public/mod/checklist/version.php": version_php("mod_checklist"),
        "public/mod/checklist/report/daily/version.php": version_php("checklistreport_daily"),
    }
    assert findings("plugin-component-folder", files) == []
    files["public/mod/checklist/report/daily/version.php"] = version_php("checklistreport_weekly")
    assert "checklistreport_daily" in findings("plugin-component-folder", files)[0].what


@pytest.mark.parametrize(
    "component", ["mod_my_forum", "local_one__b", "Local_one", "local_", "local_a", "local_one_", "local"]
)
def test_a_name_that_moodle_does_not_take_is_found(component: str) -> None:
    (found,) = findings("plugin-component-folder", {"version.php": version_php(component)})
    assert "no name that Moodle takes" in found.what


@pytest.mark.parametrize("version", ["20260101", "20260101000", "2026010100.05", "'soon'", "2026013200", "2026022900"])
def test_a_version_that_is_no_date_and_count_is_found(version: str) -> None:
    (found,) = findings("plugin-version-wellformed", {"version.php": version_php(version=version)})
    assert str(found.place) == "version.php:2:20"


def test_a_plugin_without_version_is_found() -> None:
    files: dict[str, str | bytes] = {"version.php": "<?php $plugin->component = 'theme_a';"}
    assert "has no version number" in findings("plugin-version-wellformed", files)[0].what


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ("$plugin->requires = 2009010100;", "no version number of Moodle"),
        ("$plugin->requires = '4.5';", "no version number of Moodle"),
        ("$plugin->supported = [405];", "a list of two whole numbers"),
        ("$plugin->supported = 405;", "a list of two whole numbers"),
        ("$plugin->supported = ['405', '501'];", "a list of two whole numbers"),
        ("$plugin->supported = [4.1, 4.5];", "a list of two whole numbers"),
        ("$plugin->supported = [501, 405];", "from 501 down to 405"),
        ("$plugin->supported = [41, 42];", "41 and 42, which is no Moodle branch"),
        ("$plugin->supported = [405, 406];", "406, which is no Moodle branch"),
        ("$plugin->supported = [404, 501];", "no release of that branch reaches"),
        ("$plugin->supported = [500, 501];", "lets Moodle 2024100700 install it"),
        ("$plugin->incompatible = '4.1';", "a whole number"),
        ("$plugin->incompatible = 0;", "a whole number"),
        ("$plugin->incompatible = 41;", "no Moodle branch"),
        ("$plugin->supported = [405, 501]; $plugin->incompatible = 501;", "goes up to 501"),
        ("$plugin->dependencies = ['local_a' => ANY_VERSION];", "depends on itself"),
        ("$plugin->dependencies = ['forum' => ANY_VERSION];", "no component name"),
        ("$plugin->dependencies = ['mod_forum' => 20260101];", "neither a version number nor ANY_VERSION"),
        (
            "$plugin->dependencies = ['mod_forum' => 'ANY_VERSION'];",
            "neither a version number nor ANY_VERSION",
        ),
        ("$plugin->dependencies = ['local_b' => 2026010101];", "but here it is 2026010100"),
    ],
)
def test_requirements_that_are_malformed_or_contradict_each_other_are_found(more: str, what: str) -> None:
    files: dict[str, str | bytes] = {
        "local/a/version.php": version_php(more=more),
        "local/b/version.php": version_php("local_b"),
    }
    (found,) = findings("plugin-requirements", files)
    assert what in found.what
    assert found.place.line in {4, 5}


def test_requirements_that_agree_are_fine() -> None:
    more = (
        "$plugin->requires = 2024100700.05; $plugin->supported = [405, 602]; $plugin->incompatible = 700;\n"
        "$plugin->dependencies=['local_b' => 2026010100, 'mod_forum' => ANY_VERSION, 'mod_x' => '2020010100'"
        "];"
    )
    files: dict[str, str | bytes] = {
        "local/a/version.php": version_php(more=more),
        "local/b/version.php": version_php("local_b"),
    }
    assert findings("plugin-requirements", files) == []


def test_no_requires_is_only_a_warning() -> None:
    files: dict[str, str | bytes] = {"version.php": version_php().replace("$plugin->requires = 2024100700;", "")}
    assert [found.severity for found in findings("plugin-requirements", files)] == ["warning"]


@pytest.mark.parametrize(
    ("more", "shows"),
    [
        ("$plugin->version = '2026010101';", ["error", "'2026010101' to PHP", "reads 2026010100"]),
        ("$plugin->requires = '2024100700';", ["error", "$plugin->requires", "reads 2024100700"]),
        ("return; $plugin->version = 2026010199;", ["error", "is 2026010100 to PHP", "reads 2026010199"]),
        ("$plugin->maturity = 'MATURITY_BETA';", ["warning", "reads nothing"]),
        ("$plugin->maturity = MATURITY_BETA; $plugin->maturity = 200;", ["warning", "reads MATURITY_BETA"]),
        ("$plugin->release = '1.0'; $plugin->release = 2.4;", ["warning", "is 2.4 to PHP", "reads 1.0"]),
        ("$x = '$module->version=1;';", ["error", "$module->version"]),
    ],
)
def test_where_the_two_readers_differ_is_found(more: str, shows: list[str]) -> None:
    found = shown(findings("plugin-parsers-agree", {"version.php": version_php(more=more)}))
    if "requires" in more:
        assert found == []
        return
    assert len(found) == 1
    assert all(part in found[0] for part in shows)


def test_a_quoted_requires_alone_is_not_seen_by_the_installer() -> None:
    content = version_php().replace("2024100700", "'2024100700'")
    (found,) = findings("plugin-parsers-agree", {"version.php": content})
    assert "reads nothing" in found.what


def test_where_the_two_readers_agree_nothing_is_found() -> None:
    more = "$plugin->maturity = /* the constant */ MATURITY_STABLE; $plugin->release = '1.0 /* kept */';"
    assert findings("plugin-parsers-agree", {"version.php": version_php(more=more)}) == []
    assert findings("plugin-parsers-agree", {"version.php": version_php(more="$plugin->maturity = 200;")}) == []


def savepoint_findings(upgrade: str, component: str = "local_a", version: str = "2026010100") -> list[str]:
    files: dict[str, str | bytes] = {
        "version.php": version_php(component, version),
        "db/upgrade.php": upgrade,
    }
    return shown(findings("upgrade-savepoints", files))


def test_steps_with_their_savepoints_are_fine_whatever_their_layout() -> None:
    upgrade = upgrade_php(
        "global $DB; // if ($oldversion < 2027010100) { upgrade_plugin_savepoint(true, 2027010100); }",
        step(2025010100),
        "/* " + step(2024010100) + " */",
        "if(\n2025010101>$oldversion  ||$other ){if($x){y();}"
        "upgrade_plugin_savepoint (true,2025010101 , \"local\",'a' ) ;}",
        '$text = "' + step(2099010100).replace("$", "\\$") + '";',
        step(2026010100),
    )
    assert savepoint_findings(upgrade) == []
    assert savepoint_findings(upgrade_php()) == []


@pytest.mark.parametrize(
    ("steps", "place", "what"),
    [
        ([step(2025010100, savepoint=2025010101)], "3:34", "its savepoint 2025010101"),
        (["if ($oldversion < 2025010100) { }"], "3:4", "has no savepoint"),
        ([step(2025010100).replace("<", "<=")], "3:4", "runs at 2025010100 itself"),
        (
            [step(2025010100, "upgrade_plugin_savepoint(true, 2025010100, 'local', 'a');")],
            "3:91",
            "more than one",
        ),
        ([step(2025010101), step(2025010100)], "4:4", "lower than"),
        ([step(2025010100), step(2025010100)], "4:4", "repeats"),
        (["upgrade_plugin_savepoint(true, 2025010100, 'local', 'a');"], "3:1", "in no `if"),
        ([step(2025010100, "if ($a)")], "3:41", "may not run"),
        ([step(2025010100, "if ($a) { throw $b; } elseif ($c)")], "3:67", "may not run"),
        ([step(2025010100, "foreach ($a as $b)")], "3:52", "may not run"),
        ([step(2025010100).replace("'a'", "'b'")], "3:34", "not the savepoint of local_a"),
        (
            [step(2025010100).replace("plugin_s", "mod_s").replace("'local', ", "")],
            "3:34",
            "not the savepoint",
        ),
        ([step(2026010101)], "3:34", "above $plugin->version, 2026010100"),
        ([step(2025010100).replace("true, 2025010100", "true, $number")], "3:34", "is computed"),
    ],
)
def test_a_step_that_breaks_upgrades_is_found(steps: list[str], place: str, what: str) -> None:
    (found,) = savepoint_findings(upgrade_php(*steps))
    assert f"db/upgrade.php:{place}: " in found
    assert what in found


@pytest.mark.parametrize(
    "body",
    [
        "if ($a) { SAVE } else { b(); SAVE }",
        "if ($a) { SAVE } else if ($b) { SAVE } else { throw new moodle_exception('b'); }",
        "if ($a): SAVE else: SAVE endif;",
        "try { SAVE } finally { b(); }",
        "{ SAVE }",
    ],
)
def test_a_savepoint_on_each_way_through_the_step_is_fine(body: str) -> None:
    call = "upgrade_plugin_savepoint(true, 2025010100, 'local', 'a');"
    upgrade = upgrade_php(f"if ($oldversion < 2025010100) {{ {body.replace('SAVE', call)} }}")
    assert savepoint_findings(upgrade) == []


def test_a_misnamed_upgrade_function_never_runs() -> None:
    (found,) = savepoint_findings(upgrade_php(step(2025010100)), component="local_b")
    assert "no function xmldb_local_b_upgrade, only xmldb_local_a_upgrade" in found


def test_an_upgrade_function_has_to_return_true() -> None:
    (found,) = savepoint_findings(upgrade_php(step(2025010100)).replace("return true;", "return;"))
    assert "never returns true" in found


@pytest.mark.parametrize(
    ("component", "call"),
    [
        ("mod_forum", "upgrade_mod_savepoint(true, 2025010100, 'forum')"),
        ("mod_forum", "upgrade_plugin_savepoint(true, 2025010100, 'mod', 'forum')"),
        ("block_tags", "upgrade_block_savepoint(true, 2025010100, 'tags')"),
        ("qtype_my_type", "upgrade_plugin_savepoint(true, 2025010100, 'qtype', 'my_type')"),
        ("local_a", "upgrade_plugin_savepoint(true, 2025010100, 'local', $name)"),
    ],
)
def test_each_type_has_its_savepoint_function(component: str, call: str) -> None:
    upgrade = upgrade_php(f"if ($oldversion < 2025010100) {{ {call}; }}", name=component.removeprefix("mod_"))
    assert savepoint_findings(upgrade, component) == []


def released_findings(before: str, now: str, build: int = 2026010100) -> list[str]:
    old = MemoryTree({"old/version.php": version_php(), "old/db/upgrade.php": before})
    tree = MemoryTree({"local/a/version.php": version_php(version="2027010100"), "local/a/db/upgrade.php": now})
    released = Released("local_a/1.0.0", old, "old", build, ("local/a/db/upgrade.php",))
    return shown(list(BY_ID["upgrade-released-steps"].check(context(tree, released={"local_a": released}))))


def test_a_released_step_may_change_its_layout_and_be_followed_by_new_ones() -> None:
    before = upgrade_php(step(2025010100, "$x = 1;"))
    now = upgrade_php(
        "// More words.",
        step(2025010100, "\n    $x  =  1; // One.\n"),
        step(2026010101, "$y = 1;"),
    )
    assert released_findings(before, now) == []


@pytest.mark.parametrize(
    ("now", "what"),
    [
        ([step(2025010100, "a(2);"), step(2025010200, "b();")], "the step 2025010100 was released"),
        ([step(2025010100, "a();"), step(2026010101, "b();")], "is 2026010101 now"),
        ([step(2025010100, "a();")], "error local/a/db/upgrade.php: the step 2025010200"),
        ([step(2025010200, "b();")], "warning local/a/db/upgrade.php: the step 2025010100"),
        (
            [step(2025010100, "a();"), step(2025010150, "c();"), step(2025010200, "b();")],
            "the new step 2025010150 never runs",
        ),
    ],
)
def test_a_released_step_that_is_touched_is_found(now: list[str], what: str) -> None:
    before = upgrade_php(step(2025010100, "a();"), step(2025010200, "b();"))
    (found,) = released_findings(before, upgrade_php(*now))
    assert what in found
    assert "local_a/1.0.0" in found


def test_a_released_file_that_is_broken_is_a_warning() -> None:
    (found,) = released_findings("<?php function (", upgrade_php(step(2025010100)))
    assert found.startswith("warning local/a/db/upgrade.php: what local_a/1.0.0 released")


@pytest.mark.parametrize(
    ("changed", "build", "count"),
    [
        ("db/install.xml", 2026010100, 1),
        ("db/services.php", 2026010101, 1),
        ("db/access.php", 2025010100, 0),
        ("db/README.md", 2026010100, 0),
        ("classes/db/access.php", 2026010100, 0),
    ],
)
def test_a_change_that_moodle_reads_at_upgrade_needs_a_higher_version(changed: str, build: int, count: int) -> None:
    tree = MemoryTree({"local/a/version.php": version_php()})
    released = Released("local_a/1.0.0", tree, "local/a", build, (f"local/a/{changed}",))
    found = shown(list(BY_ID["plugin-db-change-version"].check(context(tree, released={"local_a": released}))))
    assert len(found) == count
    assert all(f"local/a/{changed} changed since local_a/1.0.0" in one for one in found)


@pytest.mark.parametrize(
    ("file", "now", "count"),
    [
        ("db/tasks.php", "<?php\n// Tasks.\n$tasks  =  ['a # b'];\n", 0),
        ("db/tasks.php", "<?php $tasks = ['a  # b'];", 1),
        ("db/tasks.php", "<?php $tasks = [", 1),
        ("db/install.xml", "<?php  $tasks = ['a # b'];", 1),
    ],
)
def test_comments_and_layout_of_php_are_nothing_that_moodle_acts_on(file: str, now: str, count: int) -> None:
    tree = MemoryTree({"local/a/version.php": version_php(), f"local/a/{file}": now})
    old = MemoryTree({f"old/{file}": "<?php $tasks = ['a # b'];"})
    released = Released("local_a/1.0.0", old, "old", 2026010100, (f"local/a/{file}",))
    found = list(BY_ID["plugin-db-change-version"].check(context(tree, released={"local_a": released})))
    assert len(found) == count


def crate(version: str) -> Component:
    manifest = "crates/accel/Cargo.toml"
    return Component(
        "accel", "crate", "crates/accel", manifest, "CHANGELOG.md", Place(manifest), parse_version(version)
    )


def bundle(version: str = "0.2.0", built_from: str = "0.2.0", sha: str = LIB_SHA, path: str = "native/a.so") -> str:
    return (
        f'{{"crates": {{"accel": {{"version": "{version}",\n'
        f' "binaries": [{{"path": "{path}", "version": "{built_from}", "sha256": "{sha}"}}]}}}}}}'
    )


def bundle_findings(content: str, *others: Component) -> list[str]:
    files: dict[str, str | bytes] = {
        "local/a/version.php": version_php(),
        "local/a/bundle.json": content,
        "local/a/native/a.so": LIB,
    }
    return shown(findings("bundle-binaries", files, *others))


def test_a_binary_of_the_named_version_is_fine() -> None:
    assert bundle_findings(bundle(), crate("0.2.0")) == []


@pytest.mark.parametrize(
    ("content", "version", "place", "what"),
    [
        (bundle(), "0.3.0", "1:35", "but the crate is 0.3.0"),
        (bundle(built_from="0.1.0"), "0.2.0", "2:24", "is from accel 0.1.0"),
        (bundle(sha="1" * 64), "0.2.0", "2:24", LIB_SHA),
        (bundle(path="native/b.so"), "0.2.0", "2:24", "not in the repository"),
    ],
)
def test_a_binary_of_another_version_is_found(content: str, version: str, place: str, what: str) -> None:
    (found,) = bundle_findings(content, crate(version))
    assert found.startswith(f"error local/a/bundle.json:{place}: ")
    assert what in found


def test_a_bundled_crate_has_to_be_in_the_repository() -> None:
    (found,) = bundle_findings(bundle())
    assert "there is no such crate here" in found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_moodle_itself_breaks_no_rule(rule: Rule) -> None:
    folder = os.environ.get("MOODLE_DIR")
    if not folder:
        pytest.skip("MOODLE_DIR names no Moodle tree")
    assert shown(list(rule.check(context(FolderTree(Path(folder)))))) == []
