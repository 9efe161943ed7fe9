"""A real Moodle in a real stack, visited by a real browser; MOODLE_DIR names the source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stacks import REAL, ROOT, address, running_stack
from visitor import visiting

pytestmark = pytest.mark.skipif(not REAL, reason="MOODLE_DIR names no Moodle")
PICTURES = ROOT / "dist/stack"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a stack with an installed and seeded Moodle, and what its start said."""
    with running_stack(tmp_path_factory.mktemp("moodle")) as stack:
        yield stack, stack.up()


def test_a_student_answers_the_quiz_in_a_browser_without_a_complaint_of_its_console(started: Any) -> None:
    _, said = started
    student = next(one for one in said["reached"] if one["user"] == "student")
    with visiting(student["address"]) as visitor:
        visitor.log_in("student", student["password"])
        visitor.open("/course/view.php?name=DEMO")
        visitor.picture(PICTURES / "course.png")
        visitor.press("li.modtype_quiz a.aalink")
        visitor.press(".quizstartbuttondiv button")
        visitor.press(".que.truefalse input[type=radio][value='1']")
        visitor.write(".que.shortanswer input[type=text]", "paris")
        visitor.write(".que.numerical input[type=text]", "42")
        visitor.picture(PICTURES / "quiz.png")
        visitor.press("#mod_quiz-next-nav")
        visitor.press(".btn-finishattempt button")
        visitor.press(".modal button[data-action='save']")
        result = visitor.see(".quizreviewsummary").text
        visitor.picture(PICTURES / "result.png")
        assert "3.00/3.00" in result
        assert visitor.complaints == []


def test_the_seed_can_be_repeated_and_makes_nothing_twice(started: Any) -> None:
    stack, _ = started
    count = "php -r '" + _COUNT + "'"
    before = stack.sh("web", count)
    assert "/course/view.php?id=" in stack.run("seed").ok().out
    assert stack.sh("web", count) == before
    assert before.split() == ["1", "3", "3"]


_COUNT = """
define("CLI_SCRIPT", true);
require("config.php");
echo $DB->count_records("course", ["shortname" => "DEMO"]), " ", $DB->count_records("quiz_slots"), " ";
echo $DB->count_records_select("user", "username IN (?, ?, ?)", ["student", "student2", "teacher"]);
"""


def test_a_plugin_with_a_new_version_is_upgraded_by_the_next_start(started: Any) -> None:
    stack, said = started
    file: Path = stack.root / "plugins/local_accel/version.php"
    text = file.read_text()
    version = int(re.search(r"->version\s*=\s*(\d+)", text)[1])  # type: ignore[index]
    file.write_text(text.replace(str(version), str(version + 1)))
    stack.up()
    shown = stack.sh("web", "php admin/cli/cfg.php --component=local_accel --name=version")
    assert int(shown) == version + 1
    assert address(said, "site")
