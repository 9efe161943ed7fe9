"""Behaviour of ``version.php``: two readings, and edits that both readings see."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path

import pytest

from release.errors import FormatError
from release.formats import version_php
from release.formats.php import Constant, Literal
from release.formats.version_php import ANY_VERSION, Items, VersionPhp
from release.model.edit import FileEdit, Replacement

PLAIN = b"""<?php
// This is a comment with $plugin->version = 1999010100;

defined('MOODLE_INTERNAL') || die();

$plugin->version   = 2026112300;        // The current version.
$plugin->requires  = 2024100700;
$plugin->component = 'local_accel';
$plugin->maturity  = MATURITY_STABLE;
$plugin->release   = 'v1.2.3 (Build: 2026112300)';
$plugin->supported = [405, 502];
$plugin->dependencies = [
    'mod_forum' => ANY_VERSION, // Any will do.
    'local_base' => 2026010100,
];
"""

TORTURE = b"""\xef\xbb\xbf<h1>$plugin->version = 1;</h1>
<?php // $Id$ $plugin->version = 2;
    $plugin->component
        = 'old_one';//$plugin->component='commented';
    /* $plugin->version = 3; caf\xe9 */
 #### $plugin->version = 4;
$plugin->component =
   "block_odd" ; $plugin->version = /* 2012010100 */ 2012122401  ;  $plugin -> requires=2_012_120_300;
{ $plugin->cron = 60 * 60; }
function never() { $plugin->version = 5; $module->version = 6; }
?> $plugin->version = 7; <?php
$text = '$plugin->version = 8;';
$plugin->dependencies = array("mod_forum" => '2012112900', 'mod_data' => any_version, /* none */ );
$plugin->dependencies['mod_quiz'] = ANY_VERSION;
return;
$plugin->version = 9;
"""


def edited(content: bytes, *edits: Replacement) -> bytes:
    return FileEdit.build("version.php", content, edits).apply(content)


def value(literal: Literal | Items | None) -> object:
    return literal.value if isinstance(literal, Literal) else literal


def test_every_property_of_a_plain_file_is_read_with_its_place() -> None:
    facts = version_php.parse(PLAIN, "plugins/local_accel/version.php")
    assert facts.name == "local_accel"
    assert facts.build == 2026112300
    assert str(facts.semantic) == "1.2.3"
    assert value(facts.requires) == 2024100700
    assert value(facts.maturity) == Constant("MATURITY_STABLE")
    assert isinstance(facts.supported, Items)
    assert [item.value for item in facts.supported.items] == [405, 502]
    assert [(one.component, one.number, one.any_version) for one in facts.dependencies] == [
        ("mod_forum", None, True),
        ("local_base", 2026010100, False),
    ]
    assert facts.version is not None
    assert (facts.version.token.line, facts.version.token.column) == (6, 22)
    assert PLAIN[facts.version.token.offset :].startswith(b"2026112300;")
    assert str(facts.declared) == "plugins/local_accel/version.php:6:22"


def test_text_comments_functions_and_code_after_return_set_nothing() -> None:
    facts = version_php.parse(TORTURE, "version.php")
    assert facts.name == "block_odd"
    assert facts.build == 2012122401
    assert value(facts.requires) == 2012120300
    assert facts.cron is None
    assert {one.component: one.needs.value for one in facts.dependencies} == {
        "mod_forum": "2012112900",
        "mod_data": Constant("any_version"),
        "mod_quiz": ANY_VERSION,
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("2025100600.02", Decimal("2025100600.02")),
        ("'2019080902'", "2019080902"),
        ("2_025_010_100", 2025010100),
        ("0x78A3D0C4", 0x78A3D0C4),
        ("017", 15),
    ],
)
def test_numbers_are_read_as_php_reads_them(source: str, expected: object) -> None:
    facts = version_php.parse(f"<?php $plugin->version = {source};".encode(), "version.php")
    assert value(facts.version) == expected


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("'1.2.3'", "1.2.3"),
        ("'v2.0'", "2.0.0"),
        ("'1.6'", "1.6.0"),
        ("2.4", "2.4.0"),
        ("'1.10.1 (Build: 2025091102)'", "1.10.1"),
        ("'2.0.0-rc.1'", "2.0.0-rc.1"),
        ("'V3.1-beta2'", "3.1.0-beta2"),
        ('"1.2.3+moodle45"', "1.2.3+moodle45"),
        ("'mu-5.0.3-01'", None),
        ("'1.2.3.4'", None),
        ("'2025.10.06'", None),
        ("'4.5-r1'", None),
        ("'2.x (Build: 2011051000)'", None),
        ("'for Moodle 4.5'", None),
        ("''", None),
    ],
)
def test_a_release_is_a_version_only_when_it_starts_with_one(release: str, version: str | None) -> None:
    facts = version_php.parse(f"<?php $plugin->release = {release};".encode(), "version.php")
    assert (None if facts.semantic is None else str(facts.semantic)) == version


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("$plugin->version = 2025 + 1;", "2:20"),
        ("$plugin->release = '1.0 ' . $x;", "2:20"),
        ('$plugin->release = "1.0 $x";', "2:20"),
        ("if ($x) { $plugin->version = 2025010100; }", "2:11"),
        ("$plugin->version++;", "2:1"),
        ("$plugin->version = $plugin->requires = 2025010100;", "2:20"),
        ("unset($plugin->version);", "2:7"),
        ("[$plugin->version] = [1];", "2:2"),
        ("$plugin->{'version'} = 1;", "2:1"),
        ("$plugin->supported['low'] = 1;", "2:1"),
        ("$plugin->dependencies = ['mod_forum'];", "2:26"),
        ("$plugin->dependencies = ['mod_forum' => 1 + 1];", "2:41"),
        ("$plugin->dependencies = $all;", "2:25"),
        ("$plugin->version = VERSION;", "2:20"),
        ("$plugin = (object) ['version' => 1];", "2:11"),
        ("$module->version = 2010010100;", "2:1"),
        ("$plugin->version = ;", "2:18"),
        ("<<<<<<< HEAD", "2:1"),
    ],
)
def test_what_only_running_the_file_would_tell_is_refused_with_its_place(statement: str, place: str) -> None:
    with pytest.raises(FormatError) as caught:
        version_php.parse(f"<?php\n{statement}\n".encode(), "a/version.php")
    assert str(caught.value.where[0]) == f"a/version.php:{place}"
    assert caught.value.fix


def test_a_new_object_forgets_what_was_set_before() -> None:
    facts = version_php.parse(b"<?php $plugin->version = 1; $plugin = new stdClass(); $plugin->cron = 0;", "x")
    assert facts.version is None
    assert value(facts.cron) == 0


def test_core_sets_no_property_of_a_plugin() -> None:
    facts = version_php.parse(b"<?php $version = 2025100600.02; $release = '5.1';", "version.php")
    assert facts == VersionPhp("version.php")


def test_the_installer_sees_no_quoted_version_although_php_does() -> None:
    content = b"<?php\n$plugin->version = '2019080902';\n$plugin->component = 'local_a';\n"
    assert version_php.parse(content, "version.php").build == 2019080902
    assert version_php.installer_view(content).version is None


def test_the_installer_reads_shapes_wherever_they_stand() -> None:
    seen = version_php.installer_view(TORTURE)
    assert seen.version == "9"
    assert seen.component == "block_odd"
    assert seen.requires is None
    assert seen.module


def test_the_written_version_is_bare_digits_that_both_readers_see() -> None:
    content = b"<?php\n$plugin->version = /* old */ '2019080902' ; // Quoted.\n$plugin->component = 'local_a';\n"
    after = edited(content, version_php.set_version(content, version_php.parse(content, "x"), 2026112300))
    assert after == content.replace(b"'2019080902'", b"2026112300")
    assert version_php.installer_view(after).version == "2026112300"
    assert version_php.parse(after, "x").build == 2026112300


def test_the_release_keeps_its_prefix_and_its_prose() -> None:
    facts = version_php.parse(PLAIN, "version.php")
    after = edited(
        PLAIN,
        version_php.set_version(PLAIN, facts, 2026112400),
        *version_php.set_release(PLAIN, facts, "1.3.0", 2026112400),
    )
    assert b"'v1.3.0 (Build: 2026112400)'" in after
    assert after.count(b"2026112300") == 0
    assert len(after.splitlines()) == len(PLAIN.splitlines())


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'1.6'", "'2.0.0'"),
        ("2.4", "'2.0.0'"),
        ("'mu-5.0.3-01'", "'2.0.0'"),
        ('"v1.0.0-rc.1 caf\u00e9"', '"v2.0.0 caf\u00e9"'),
    ],
)
def test_a_release_is_written_in_the_place_of_the_old_one(before: str, after: str) -> None:
    content = f"<?php\r\n$plugin->release = {before};".encode()
    facts = version_php.parse(content, "version.php")
    assert edited(content, *version_php.set_release(content, facts, "2.0.0")) == content.replace(
        before.encode(), after.encode()
    )


def test_the_prose_is_found_behind_bytes_that_are_no_utf8() -> None:
    content = b"<?php $plugin->version = 2026010100; $plugin->release = '1.0.0 caf\xe9 (2026010100)';"
    facts = version_php.parse(content, "version.php")
    after = edited(content, *version_php.set_release(content, facts, "1.0.1", 2026112300))
    assert after.endswith(b"'1.0.1 caf\xe9 (2026112300)';")


def test_a_missing_release_is_put_before_the_version_in_its_style() -> None:
    content = b"<?php\r\n  $plugin->version   = 2026010100; // Now.\r\n  $plugin->component = 'local_a';"
    facts = version_php.parse(content, "version.php")
    after = edited(content, *version_php.set_release(content, facts, "0.1.0"))
    assert after == content.replace(b"  $plugin->version ", b"  $plugin->release   = '0.1.0';\r\n  $plugin->version ")


def test_a_missing_version_is_put_before_the_component() -> None:
    content = b"<?php\n$plugin->component = 'theme_a';\n"
    after = edited(content, version_php.set_version(content, version_php.parse(content, "x"), 2026112300))
    assert after == b"<?php\n$plugin->version = 2026112300;\n$plugin->component = 'theme_a';\n"


def test_a_dependency_is_raised_but_never_lowered_and_any_version_stays() -> None:
    facts = version_php.parse(PLAIN, "version.php")
    forum, base = facts.dependencies
    assert version_php.set_dependency(forum, 2026112300) is None
    assert version_php.set_dependency(base, 2025010100) is None
    edit = version_php.set_dependency(base, 2026112300)
    assert edit is not None
    assert edited(PLAIN, edit) == PLAIN.replace(b"2026010100", b"2026112300")


def test_the_build_number_of_a_broken_file_is_none() -> None:
    assert version_php.build_number(PLAIN) == 2026112300
    assert version_php.build_number(TORTURE) == 2012122401
    assert version_php.build_number(b"<?php $plugin->version = 2025 (;") is None
    assert version_php.build_number(b"<?php $version = 2025100600.02;") is None


ORACLE = r"""
define('MOODLE_INTERNAL', true); define('ANY_VERSION', 'any'); define('MATURITY_ALPHA', 50);
define('MATURITY_BETA', 100); define('MATURITY_RC', 150); define('MATURITY_STABLE', 200); function
reading($file) { $plugin = new stdClass(); ob_start(); include($file); ob_end_clean(); return $plugin; }
foreach (explode("\n", stream_get_contents(STDIN)) as $file) {
    echo json_encode([$file, reading($file)], JSON_INVALID_UTF8_SUBSTITUTE | JSON_PRESERVE_ZERO_FRACTION),
    "\n";
}
"""
CONSTANTS = {
    "MATURITY_ALPHA": 50,
    "MATURITY_BETA": 100,
    "MATURITY_RC": 150,
    "MATURITY_STABLE": 200,
    "ANY_VERSION": "any",
}


def as_php(literal: Literal) -> object:
    match literal.value:
        case Constant(name):
            return CONSTANTS[name]
        case Decimal() as number:
            return float(number)
        case other:
            return other


def php_reads(paths: list[Path]) -> dict[str, dict[str, object]]:
    php = shutil.which("php")
    if php is None:
        pytest.skip("php is not installed")
    run = subprocess.run(
        [php, "-r", ORACLE], input="\n".join(map(str, paths)), capture_output=True, text=True, check=True
    )
    return dict(json.loads(line) for line in run.stdout.splitlines())


def assert_read_as_php_does(facts: VersionPhp, php: dict[str, object]) -> None:
    for name in ("component", "version", "release", "requires", "incompatible", "maturity"):
        literal: Literal | None = getattr(facts, name)
        assert (None if literal is None else as_php(literal)) == php.get(name), (facts.path, name)
    if isinstance(facts.supported, Items):
        assert [as_php(item) for item in facts.supported.items] == php["supported"]
    dependencies = {one.component: as_php(one.needs) for one in facts.dependencies}
    assert dependencies == (php.get("dependencies") or {})


def test_php_itself_reads_the_same_from_odd_files(tmp_path: Path) -> None:
    odd = [
        PLAIN,
        TORTURE.replace(b"any_version", b"ANY_VERSION").replace(b"$plugin->cron = 60 * 60;", b""),
        b"<?php\n$plugin->version = 2025010100; $plugin->version = '2025010101'; #\n$plugin->requires=null;",
        b"<?php\r\n$plugin->release = \"it's \\\"1.0\\\" \\$x\";\r\n$plugin->component = 'a_\\'b\\\\';",
        b"<?php $plugin->version = 2025100600.02; $plugin->maturity = 1; $plugin->maturity=\\MATURITY_RC ?>",
    ]
    paths = [tmp_path / f"{number}.php" for number in range(len(odd))]
    for path, content in zip(paths, odd, strict=True):
        path.write_bytes(content)
    for name, php in php_reads(paths).items():
        assert_read_as_php_does(version_php.parse(Path(name).read_bytes(), name), php)


@pytest.fixture
def moodle() -> list[Path]:
    folder = os.environ.get("MOODLE_DIR")
    if not folder:
        pytest.skip("MOODLE_DIR names no Moodle tree")
    return [
        path
        for path in sorted(Path(folder).rglob("version.php"))
        if not re.search(rb"^\$module->", path.read_bytes(), re.MULTILINE)
    ]


def test_each_file_of_moodle_is_read_as_php_reads_it(moodle: list[Path]) -> None:
    php = php_reads(moodle)
    for path in moodle:
        assert_read_as_php_does(version_php.parse(path.read_bytes(), str(path)), php[str(path)])


def test_each_file_of_moodle_changes_in_its_number_only(moodle: list[Path]) -> None:
    for path in moodle:
        content = path.read_bytes()
        facts = version_php.parse(content, str(path))
        assert edited(content) == content
        if facts.version is None:
            continue
        after = edited(content, version_php.set_version(content, facts, 2099123199))
        start = facts.version.token.offset
        end = start + len(facts.version.token.text)
        assert after == content[:start] + b"2099123199" + content[end:]
        assert version_php.build_number(after) == 2099123199
        assert version_php.installer_view(after).version == "2099123199"
