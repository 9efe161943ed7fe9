"""Law: an edit of ``version.php`` changes one value, and both of Moodle's readers then read it."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release.errors import FormatError
from release.formats import version_php
from release.model.edit import FileEdit, Replacement
from release.model.version import parse_version

NUMBERS = st.integers(min_value=2000010100, max_value=2099123199)
COMMENTS = st.sampled_from(
    [
        b"",
        b" ",
        b"\t\t",
        b"/* $plugin->version = 1999010100; */",
        b"// $plugin->version = 1999010101;\n",
        b"# caf\xe9 \xff\r\n",
        b"/** 'un\"balanced */",
        b"\r\n  ",
    ]
)
VALUES = st.builds(lambda number, quote: quote + b"%d" % number + quote, NUMBERS, st.sampled_from([b"", b"'", b'"']))
PROSE = st.text(st.characters(codec="utf-8", exclude_characters="'\\$\0", exclude_categories=["Cs"]), max_size=12)
OTHERS = st.sampled_from(
    [
        b"defined('MOODLE_INTERNAL') || die();",
        b"$plugin->requires = 2024100700;",
        b"$plugin->dependencies = array('mod_forum' => ANY_VERSION,\n 'local_b'=>2020010100, );",
        b"$plugin->maturity = MATURITY_STABLE; $plugin->cron=0;",
        b"$plugin->supported = [ 401 , 405 ];",
        b"$other_version = 5;",
    ]
)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    def gap() -> bytes:
        return b"".join(draw(st.lists(COMMENTS, max_size=2)))

    def statement(name: bytes, value: bytes) -> bytes:
        return b"$plugin" + gap() + b"->" + name + gap() + b"=" + gap() + value + gap() + b";"

    release = b"'" + draw(st.sampled_from(["1.2.3", "v2.0", "1.6", "0.1.0-rc.1"])).encode()
    release += b" " + draw(PROSE).encode() + b"'"
    statements = [statement(b"version", draw(VALUES)) for _ in range(draw(st.integers(1, 2)))]
    statements += [statement(b"component", b"'local_odd'"), statement(b"release", release)]
    statements += draw(st.lists(OTHERS, max_size=4))
    ordered = draw(st.permutations(statements))
    start = draw(st.sampled_from([b"<?php\n", b"\xef\xbb\xbf<?php ", b"<p>$plugin->version = 3;</p>\n<?PHP\r\n"]))
    end = draw(st.sampled_from([b"", b"\n", b"\r\n?>\n", b" // the end"]))
    return start + b"".join(gap() + one + gap() for one in ordered) + end


def apply(content: bytes, *edits: Replacement) -> bytes:
    return FileEdit.build("version.php", content, edits).apply(content)


@given(files(), NUMBERS)
def test_only_the_number_changes_and_both_readers_see_it(content: bytes, number: int) -> None:
    facts = version_php.parse(content, "version.php")
    assert apply(content) == content
    assert facts.version is not None
    token = facts.version.token
    after = apply(content, version_php.set_version(content, facts, number))
    end = token.offset + len(token.text)
    assert after == content[: token.offset] + str(number).encode() + content[end:]
    assert version_php.parse(after, "version.php").build == number
    assert version_php.installer_view(after).version == str(number)
    assert version_php.build_number(after) == number


@given(files(), st.sampled_from(["1.0.0", "10.20.30", "2.0.0-rc.1"]), NUMBERS)
def test_only_the_release_changes_and_both_readers_see_it(content: bytes, version: str, number: int) -> None:
    before = version_php.parse(content, "version.php")
    after = apply(content, *version_php.set_release(content, before, version, number))
    facts = version_php.parse(after, "version.php")
    assert facts.semantic == parse_version(version)
    assert facts.release is not None
    assert version_php.installer_view(after).release in (facts.release.value, None)
    assert facts.build == before.build
    assert [one.component for one in facts.dependencies] == [one.component for one in before.dependencies]
    assert after.count(b"\n") == content.count(b"\n")


@given(files(), NUMBERS)
def test_a_dependency_rises_or_stays(content: bytes, number: int) -> None:
    for dependency in version_php.parse(content, "version.php").dependencies:
        edit = version_php.set_dependency(dependency, number)
        after = apply(content, edit) if edit else content
        (again,) = [
            one for one in version_php.parse(after, "version.php").dependencies if one.component == dependency.component
        ]
        assert again.number == (None if dependency.any_version else max(number, dependency.number or 0))
        assert (again.number is None) == dependency.any_version


@given(files(), st.data())
def test_damage_is_refused_or_read_but_never_ends_in_a_traceback(content: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(content)))
    damage = data.draw(
        st.one_of(st.binary(max_size=4), st.sampled_from([b"?>", b"/*", b"'", b"<?php ", b"}", b"<<<A"]))
    )
    damaged = content[:start] + damage + content[start + data.draw(st.integers(0, 9)) :]
    version_php.installer_view(damaged)
    try:
        facts = version_php.parse(damaged, "version.php")
        edits = version_php.set_release(damaged, facts, "9.9.9", 2099123199)
    except FormatError:
        return
    apply(damaged, *edits)


READ = r"""
define('MOODLE_INTERNAL', true); define('ANY_VERSION', 'any'); define('MATURITY_STABLE', 200);
foreach (array_slice($argv, 1) as $file) {
    $plugin = new stdClass(); ob_start(); include($file); ob_end_clean(); echo json_encode([$plugin->version,
    $plugin->component, $plugin->release, $plugin->dependencies ?? []]), "\n";
}
"""


@settings(max_examples=4, deadline=None)
@given(st.lists(files(), min_size=25, max_size=25))
def test_php_reads_the_same(contents: list[bytes]) -> None:
    php = shutil.which("php")
    if php is None:
        pytest.skip("php is not installed")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.php" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        run = subprocess.run([php, "-r", READ, "--", *map(str, paths)], capture_output=True, check=True)
    for content, line in zip(contents, run.stdout.splitlines(), strict=True):
        version, component, release, dependencies = json.loads(line)
        facts = version_php.parse(content, "version.php")
        assert facts.build == int(version)
        assert facts.name == component
        assert facts.release is not None
        assert facts.release.value == release
        assert {one.component: one.number or "any" for one in facts.dependencies} == (dependencies or {})
