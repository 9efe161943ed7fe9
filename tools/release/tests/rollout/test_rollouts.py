"""Rollouts by the real command: to a scripted cluster, and to Helm and an API server where they are here."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from rollouts import WORLDS, Site, absent, until


@pytest.fixture(params=WORLDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    reason = absent(request.param)
    if reason:
        pytest.skip(reason)
    return Site(tmp_path, request.param)


def in_wait(site: Site, stage: str) -> bool:
    history = site.history(stage)
    return bool(history) and history[-1][1].startswith("pending")


def test_a_rollout_installs_and_upgrades_stage_by_stage(site: Site) -> None:
    assert site.roll_out().ok().out.splitlines() == [
        "canary: revision 1 (site 1.2.3) is good",
        "prod: revision 1 (site 1.2.3) is good",
    ]
    site.chart("second")
    site.roll_out("--from", "prod").ok()
    assert site.history("canary") == [(1, "deployed")]
    assert site.history("prod") == [(1, "superseded"), (2, "deployed")]
    assert (site.message("canary"), site.message("prod")) == ("first", "second")
    rows = site.run("status", "--json").ok().json["stages"]
    assert [(row["revision"], row["good"], row["status"], row["chart"]) for row in rows] == [
        (1, 1, "deployed", "site-1.2.3"),
        (2, 2, "deployed", "site-1.2.3"),
    ]
    assert [row["stage"] for row in site.run("status", "prod", "--json").ok().json["stages"]] == ["prod"]
    assert "deployed" in site.run("status").ok().out


def test_a_failed_upgrade_goes_back_and_no_later_stage_is_touched(site: Site) -> None:
    site.roll_out().ok()
    site.chart("second", refused=True)
    result = site.roll_out()
    assert result.code == 30
    assert "canary" in result.err
    assert "back at revision 1" in result.err
    assert site.history("canary") == [(1, "superseded"), (2, "failed"), (3, "deployed")]
    assert site.history("prod") == [(1, "deployed")]
    assert site.message("canary") == "first"


def test_a_failed_check_goes_back(site: Site) -> None:
    site.roll_out().ok()
    site.chart("second")
    site.configure(check='echo "$RELEASE_STAGE $RELEASE_REVISION in $RELEASE_NAMESPACE"; test $RELEASE_STAGE = canary')
    result = site.roll_out()
    assert result.code == 30
    assert f"prod 2 in {site.spaces['prod']}" in result.err
    assert (site.message("canary"), site.message("prod")) == ("second", "first")
    assert site.history("prod") == [(1, "superseded"), (2, "superseded"), (3, "deployed")]


def test_a_first_install_that_fails_is_uninstalled(site: Site) -> None:
    site.chart("first", refused=True)
    result = site.roll_out()
    assert result.code == 30
    assert "it is uninstalled" in result.err
    assert site.history("canary") == []
    assert site.message("canary") is None
    site.chart("first")
    site.roll_out().ok()


def test_a_killed_run_is_recovered_to_the_last_good_revision(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("second", hangs=True)
    process = site.start("canary")
    until(lambda: in_wait(site, "canary"))
    process.kill()
    process.communicate()
    assert site.history("canary")[-1] == (2, "pending-upgrade")
    assert site.run("recover", "canary").ok().out == "canary: rolled-back, revision 3\n"
    assert site.history("canary")[-1] == (3, "deployed")
    assert site.message("canary") == "first"
    assert site.run("recover", "canary").ok().out == "canary: settled, revision 3\n"
    assert len(site.history("canary")) == 3


def test_a_killed_first_install_is_uninstalled(site: Site) -> None:
    site.chart("first", hangs=True)
    process = site.start("canary")
    until(lambda: in_wait(site, "canary"))
    process.kill()
    process.communicate()
    assert site.history("canary") == [(1, "pending-install")]
    assert site.run("recover", "canary").ok().out == "canary: rolled-back, no release\n"
    assert site.history("canary") == []


def test_the_next_run_recovers_a_killed_one_and_rolls_out(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("second", hangs=True)
    process = site.start("canary")
    until(lambda: in_wait(site, "canary"))
    process.kill()
    process.communicate()
    site.chart("third")
    site.roll_out("canary").ok()
    assert [status for _, status in site.history("canary")][-2:] == ["superseded", "deployed"]
    assert site.message("canary") == "third"


def test_a_run_killed_during_its_check_is_recovered_though_helm_calls_it_deployed(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("second")
    checking = site.scratch.path / "checking"
    site.configure(check=f"touch {checking}; exec sleep 60")
    process = site.start("canary")
    until(checking.exists)
    process.kill()
    process.communicate()
    assert site.history("canary")[-1] == (2, "deployed")
    site.run("recover", "canary").ok()
    assert site.message("canary") == "first"


@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGTERM]])
def test_a_cancelled_run_goes_back_before_it_ends(site: Site, signals: list[signal.Signals]) -> None:
    site.roll_out().ok()
    site.chart("second", hangs=True)
    process = site.start()
    until(lambda: in_wait(site, "canary"))
    for number in signals:
        process.send_signal(number)
    _, err = process.communicate()
    assert process.returncode == 30, err
    assert "the run was cancelled" in err
    assert site.history("canary")[-1][1] == "deployed"
    assert site.message("canary") == "first"
    assert site.history("prod") == [(1, "deployed")]


def test_a_rollback_that_fails_is_a_loud_stop(site: Site, tmp_path: Path) -> None:
    forget = site.define_widgets()
    site.chart("first", widget=True)
    site.roll_out().ok()
    site.chart("second")
    site.configure(check=f"{forget}; false")
    summary = tmp_path / "summary.md"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    result = site.roll_out(env=github)
    assert result.code == 31, result.err
    where = f"--namespace {site.spaces['canary']}"
    assert f"helm rollback site 1 --wait {where}" in result.err
    assert "::error title=Rollout of canary%3A rollback-failed::canary: the check" in result.err
    assert f"helm rollback site 1 --wait {where}\n" in summary.read_text()
    assert "| prod | not begun | |" in summary.read_text()
    assert site.history("prod") == [(1, "deployed")]
    assert site.run("recover", "canary").code == 31


def test_a_live_run_is_left_alone(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("second", hangs=True)
    process = site.start("canary")
    until(lambda: in_wait(site, "canary"))
    before = site.history("canary")
    for result in (site.roll_out("canary"), site.run("recover", "canary"), site.run("recover", "canary", "--to", "1")):
        assert result.code == 32
        assert f"/{process.pid} is at the step upgrade" in result.err
    assert site.history("canary") == before
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 30


def test_a_later_step_of_the_same_workflow_run_recovers_at_once(site: Site) -> None:
    run = {"GITHUB_RUN_ID": "77", "GITHUB_REPOSITORY": "moodle/site"}
    site.roll_out("canary", env=run).ok()
    site.chart("second", hangs=True)
    process = site.start("canary", env=run)
    until(lambda: in_wait(site, "canary"))
    process.kill()
    process.communicate()
    other = site.run("recover", "canary", env={**run, "GITHUB_RUN_ID": "78"})
    assert other.code == 32
    assert "moodle/site/actions/runs/77" in other.err
    site.run("recover", "canary", env=run).ok()
    assert site.message("canary") == "first"


def test_a_run_that_nobody_can_tell_from_a_live_one_is_taken_over_when_asked(site: Site) -> None:
    run = {"GITHUB_RUN_ID": "77", "GITHUB_REPOSITORY": "moodle/site"}
    site.roll_out("canary", env=run).ok()
    site.chart("second", hangs=True)
    process = site.start("canary", env=run)
    until(lambda: in_wait(site, "canary"))
    process.kill()
    process.communicate()
    site.chart("third")
    assert site.roll_out("canary").code == 32
    site.roll_out("canary", "--recover", "now").ok()
    assert site.message("canary") == "third"


def test_what_a_person_deployed_is_good(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("by-hand")
    site.by_hand("canary", "upgrade", "site", "charts/site")
    assert site.run("recover", "canary").ok().out == "canary: settled, revision 2\n"
    site.chart("third")
    site.configure(check="false")
    assert site.roll_out("canary").code == 30
    assert site.message("canary") == "by-hand"


def test_a_person_can_say_which_revision_is_good(site: Site) -> None:
    site.roll_out("canary").ok()
    site.chart("second")
    site.roll_out("canary").ok()
    assert site.run("recover", "canary", "--to", "1").ok().out == "canary: rolled-back, revision 3\n"
    assert site.message("canary") == "first"
    assert site.run("recover", "canary", "--to", "9").code == 32
    assert site.message("canary") == "first"


def test_the_process_leaves_no_helm_behind_when_it_is_killed(site: Site) -> None:
    site.chart("first", hangs=True)
    process = site.start("canary")
    until(lambda: in_wait(site, "canary"))
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert children
    process.kill()
    process.communicate()
    until(lambda: not any(_runs(int(child)) for child in children), seconds=30)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_difference_of_a_secret_is_hidden(site: Site) -> None:
    site.chart("first", secret="opensesame")
    site.roll_out("canary").ok()
    site.chart("second", secret="xyzzy")
    out = site.run("diff", "canary", "--chart", "charts/site").ok().out
    assert "-  message: first" in out
    assert "+  message: second" in out
    assert "+  password: (hidden, changed)" in out
    assert "xyzzy" not in out
    assert "opensesame" not in out


def test_no_difference_is_found_where_there_is_none(site: Site) -> None:
    site.roll_out("canary").ok()
    out = site.run("diff", "canary", "--chart", "charts/site").ok().out
    assert out == "canary: compared with revision 1: no difference\n"
