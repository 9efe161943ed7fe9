"""What people ask for: channels, versions in footers, and single components with what contains them."""

from __future__ import annotations

from pathlib import Path

import pytest

from landing.stage import TIME, Stage, git
from release.errors import VersionRefused
from release.flow.plan import make_plan
from release.flow.release import utc_day
from release.flow.survey import survey
from release.model.plan import Request
from release.model.version import Level
from release.repository.git import Repository


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.make(tmp_path / "stage")


def planned(
    stage: Stage, *components: str, pre: str | None = None, asked: dict[str, str] | None = None
) -> dict[str, str]:
    request = Request(tuple(sorted(components)), pre, tuple(sorted((asked or {}).items())))
    plan = make_plan(survey(Repository.open(stage.work)), request, utc_day(TIME))
    return {bump.component: str(bump.after) for bump in plan.bumps}


def test_what_contains_the_component_asked_for_is_released_with_its_own_changes(stage: Stage) -> None:
    assert planned(stage, "accel") == {"accel": "0.1.1", "image": "1.1.0"}
    assert planned(stage, "image") == {"image": "1.1.0"}


def test_candidates_go_on_only_when_something_is_new_and_a_plain_bump_makes_them_final(stage: Stage) -> None:
    assert planned(stage, pre="rc") == {"accel": "0.1.1-rc.1", "local_a": "1.0.1-rc.1", "image": "1.1.0-rc.1"}
    stage.release(push=False, request=Request(pre="rc"))
    assert planned(stage, pre="rc") == {}
    stage.commit("docs: words", {"crates/accel/src/lib.rs": "// docs\n"})
    assert planned(stage, pre="rc") == {}
    stage.commit("fix: again", {"crates/accel/src/lib.rs": "// three\n"})
    assert planned(stage, pre="rc") == {"accel": "0.1.1-rc.2", "image": "1.1.0-rc.2"}
    assert planned(stage) == {"accel": "0.1.1", "local_a": "1.0.1", "image": "1.1.0"}


def test_what_is_taken_back_within_a_channel_makes_the_next_candidate(stage: Stage) -> None:
    feature = stage.commit("feat: more", {"crates/accel/src/more.rs": "// more\n"})
    stage.release(push=False, request=Request(pre="rc"))
    git(stage.work, "revert", "--no-edit", feature)
    assert planned(stage, pre="rc")["accel"] == "0.1.1-rc.2"


def test_a_shipped_change_without_a_version_of_its_own_keeps_the_version_within_a_channel(stage: Stage) -> None:
    stage.commit("chore: channel", {"release.yaml": "components:\n  local_a: {channel: beta}\n"})
    stage.release(push=False)
    stage.commit("docs: words", {"plugins/local_a/lib.php": "<?php\n// Words.\n"})
    plan = make_plan(survey(Repository.open(stage.work)), Request(), utc_day(TIME))
    bump = next(bump for bump in plan.bumps if bump.component == "local_a")
    assert (str(bump.before), str(bump.after), bump.tag) == ("1.0.1-beta.1", "1.0.1-beta.1", None)
    assert bump.level is Level.BUILD
    assert bump.build_after == 2026112301


def test_a_shipped_change_after_a_final_release_keeps_the_version_in_a_channel_too(stage: Stage) -> None:
    stage.release(push=False)
    stage.commit("docs: words", {"plugins/local_a/lib.php": "<?php\n// Words.\n"})
    assert planned(stage, "local_a", pre="rc")["local_a"] == "1.0.1"


def test_a_footer_that_asked_for_a_candidate_does_not_ask_again(stage: Stage) -> None:
    stage.commit("feat: x\n\nRelease-As: accel 0.2.0-rc.1", {"crates/accel/src/lib.rs": "// x\n"})
    assert planned(stage)["accel"] == "0.2.0-rc.1"
    stage.release(push=False)
    assert planned(stage)["accel"] == "0.2.0"


def test_a_version_asked_for_is_taken_where_the_channel_has_none(stage: Stage) -> None:
    stage.release(push=False, request=Request(pre="rc"))
    stage.commit("fix: x", {"crates/accel/src/lib.rs": "// x\n"})
    with pytest.raises(VersionRefused, match=r"^accel: 0\.1\.1-beta\.1 is not above 0\.1\.1-rc\.1"):
        planned(stage, "accel", pre="beta")
    asked = {"accel": "0.3.0", "local_a": "1.3.0", "image": "1.3.0"}
    assert planned(stage, pre="beta", asked=asked) == asked


def test_a_whole_in_a_later_channel_than_its_part_stays_in_it(stage: Stage) -> None:
    stage.release(push=False, request=Request(components=("image",), pre="rc"))
    stage.commit("fix: x\n\nRelease-As: accel 0.2.0-beta.1", {"crates/accel/src/lib.rs": "// x\n"})
    assert planned(stage, "accel") == {"accel": "0.2.0-beta.1", "image": "1.1.0-rc.2"}


def test_a_version_that_another_line_has_taken_is_refused_naming_its_tag(stage: Stage) -> None:
    git(stage.work, "switch", "-q", "-c", "side", "main~2")
    manifest = '[package]\nname = "accel"\nversion = "0.1.1"\n'
    git(stage.work, "tag", "accel-v0.1.1", stage.commit("fix: side", {"crates/accel/Cargo.toml": manifest}))
    git(stage.work, "switch", "-q", "main")
    with pytest.raises(VersionRefused, match=r"accel 0\.1\.1 is next here, but the tag accel-v0\.1\.1 exists already"):
        planned(stage)
    git(stage.work, "-c", "user.name=A", "-c", "user.email=a@b", "merge", "-q", "-m", "Merge side", "side")
    assert planned(stage)["accel"] == "0.1.2"
