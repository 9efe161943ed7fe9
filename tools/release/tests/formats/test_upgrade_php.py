"""Behaviour of ``db/upgrade.php``: which steps and savepoints are code."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pytest

from release.errors import FormatError
from release.formats import upgrade_php

ODD = rb"""<?php
function helper($oldversion) { if ($oldversion < 1999010100) { } return true; }

function xmldb_local_odd_upgrade( int $from , $block = null ) : bool {
    global $DB;
    $text = 'if ($from < 1) { upgrade_plugin_savepoint(true, 1, "local", "odd"); }';
    if($from<2023010100){
        if ($DB->count_records('x') > 3) { $DB->delete_records('x'); }
        // upgrade_plugin_savepoint(true, 2023010199, 'local', 'odd');
        upgrade_plugin_savepoint ( true , /* the number */ 2023010100 , "local" , 'odd' ) ;
    }
    /* if ($from < 2099010100) { upgrade_plugin_savepoint(true, 2099010100, 'local', 'odd'); } */
    # if ($from < 2099010101) { upgrade_plugin_savepoint(true, 2099010101, 'local', 'odd'); }
    if (2023020200.01 > $from || $from === 7)
    {
        Upgrade_Plugin_SavePoint(result: true, version: 2023020200.01, type: 'local', plugin: 'odd');
    }
    elseif ($from < 2023030300):
        \upgrade_plugin_savepoint(true, 2023030300, 'local', $name);
    endif;
    return true;
}
"""


def test_steps_are_found_whatever_their_spacing_and_comments() -> None:
    content = ODD.replace(b"elseif ($from < 2023030300):", b"if ($from < 2023030300):")
    upgrade = upgrade_php.parse(content, "db/upgrade.php")
    (function,) = upgrade.functions
    assert function.name.text == "xmldb_local_odd_upgrade"
    assert [step.number for step in function.steps] == [2023010100, Decimal("2023020200.01"), 2023030300]
    assert [[point.number for point in step.savepoints] for step in function.steps] == [
        [2023010100],
        [Decimal("2023020200.01")],
        [2023030300],
    ]
    assert [point.names for point in upgrade.savepoints] == [
        ("local", "odd"),
        ("local", "odd"),
        ("local", None),
    ]
    assert function.returns_true == 1
    assert not function.strays
    assert all(step.savepoints[0].unconditional for step in function.steps)
    assert (function.steps[0].token.line, function.steps[0].token.column) == (7, 7)


def test_the_floor_is_the_newest_live_savepoint_rounded_up() -> None:
    content = ODD.replace(b"elseif", b"if")
    assert upgrade_php.floor(content, "db/upgrade.php") == 2023030300
    assert upgrade_php.floor(content.replace(b"2023030300", b"2023020200"), "db/upgrade.php") == 2023020201
    assert upgrade_php.floor(b"<?php // upgrade_mod_savepoint(true, 1, 'x');", "db/upgrade.php") is None


def test_a_guard_around_steps_is_no_step() -> None:
    content = b"""<?php function xmldb_a_upgrade($oldversion) {
        if ($oldversion < 2020010100) {
            if ($oldversion < 2019010100) { upgrade_mod_savepoint(true, 2019010100, 'a'); }
            if ($oldversion < 2019020200) { upgrade_mod_savepoint(true, 2019020200, 'a'); }
        } else if ($oldversion <= 2021010100) { upgrade_mod_savepoint(true, 2021010100, 'a'); }
        upgrade_mod_savepoint(true, 2022010100, 'a');
    }"""
    (function,) = upgrade_php.parse(content, "db/upgrade.php").functions
    assert [(step.number, step.inclusive) for step in function.steps] == [
        (2019010100, False),
        (2019020200, False),
        (2021010100, True),
    ]
    assert [point.number for point in function.strays] == [2022010100]
    assert function.returns_true == 0


def test_a_step_is_the_same_step_whatever_its_layout_and_number() -> None:
    def digest(step: str) -> str:
        content = f"<?php function xmldb_a_upgrade($oldversion) {{ {step} return true; }}".encode()
        return upgrade_php.parse(content, "db/upgrade.php").functions[0].steps[0].digest

    step = "if ($oldversion < 2020010100) { $x = 'a b'; upgrade_mod_savepoint(true, 2020010100, 'a'); }"
    spaced = step.replace(" ", "\n  ").replace("'a\n  b'", "'a b'").replace("$x", "/* what */ $x // why\n")
    assert digest(step) == digest(spaced)
    assert digest(step) == digest(step.replace("2020010100", "2020010101"))
    assert digest(step) != digest(step.replace("'a b'", "'a  b'"))
    assert digest(step) != digest(step.replace("'a b'", "2020010100"))


def test_broken_php_is_refused_with_its_place() -> None:
    with pytest.raises(FormatError) as caught:
        upgrade_php.parse(b"<?php\nfunction xmldb_a_upgrade($oldversion) {\n  if ($oldversion < ) {}\n}", "up.php")
    assert str(caught.value.where[0]).startswith("up.php:3:")


def test_each_step_of_moodle_ends_with_its_savepoint() -> None:
    folder = os.environ.get("MOODLE_DIR")
    if not folder:
        pytest.skip("MOODLE_DIR names no Moodle tree")
    steps = 0
    for path in sorted(Path(folder).rglob("db/upgrade.php")):
        upgrade = upgrade_php.parse(path.read_bytes(), str(path))
        (function,) = upgrade.functions
        assert not function.strays
        assert function.returns_true == 1
        assert len(upgrade.savepoints) == len(function.steps)
        assert all(step.savepoints[-1].number == step.number for step in function.steps), path
        steps += len(function.steps)
    assert steps > 100
