"""What can be done with a stage, from Helm's history and our journal alone; and what a rollout does at its edges."""

from __future__ import annotations

import pytest

from release.rollout.drive import Driver, in_order
from release.rollout.machine import (
    DESCRIPTION,
    Attempt,
    Busy,
    Journal,
    Lost,
    Mark,
    Observed,
    Purpose,
    Ready,
    Return,
    Revision,
    Settled,
    Status,
    Step,
    Verdict,
    assess,
)
from release.rollout.model import Fault, Model

NOW = 1000.0


def revision(number: int, status: Status, *, time: float = 0.0, description: str = "") -> Revision:
    return Revision(number, status, f"t{number}", time, "site-1.0.0", description)


def attempt(number: int, until: float = 0.0) -> Attempt:
    return Attempt(number, "upgrade", "somebody", until)


def seen(purpose: Purpose, *history: Revision, journal: Journal | None = None, insist: bool = False) -> Verdict:
    observed = Observed(history, journal or Journal())
    return assess(observed, purpose, now=NOW, timeout=60.0, gone=lambda _: False, insist=insist)


RUN, RECOVER = Purpose.RUN, Purpose.RECOVER
GOOD, FAILED = revision(1, Status.DEPLOYED), revision(2, Status.FAILED)
PENDING = revision(2, Status.PENDING_UPGRADE)


def test_without_a_release_there_is_an_install_to_do_and_nothing_to_recover() -> None:
    assert seen(RUN) == Ready(None)
    assert seen(RECOVER) == Settled(None, open=False)


def test_a_deployed_revision_is_good_where_no_attempt_is_open() -> None:
    assert seen(RUN, GOOD) == Ready(1)
    assert seen(RECOVER, GOOD) == Settled(1, open=False)


def test_an_upgrade_follows_a_failed_one_and_a_recovery_goes_back_from_it() -> None:
    assert seen(RUN, GOOD, FAILED) == Ready(1)
    assert seen(RECOVER, GOOD, FAILED) == Return(1, "revision 2 is failed")


@pytest.mark.parametrize("purpose", [RUN, RECOVER])
@pytest.mark.parametrize("status", [Status.PENDING_UPGRADE, Status.PENDING_ROLLBACK])
def test_a_pending_revision_is_left_alone_until_it_must_be_over(purpose: Purpose, status: Status) -> None:
    fresh = revision(2, status, time=NOW - 59)
    old = revision(2, status, time=NOW - 60)
    assert isinstance(seen(purpose, GOOD, fresh), Busy)
    assert isinstance(seen(purpose, GOOD, old), Return)
    assert isinstance(seen(purpose, GOOD, fresh, insist=True), Return)


@pytest.mark.parametrize("purpose", [RUN, RECOVER])
def test_an_open_attempt_is_left_alone_until_it_must_be_over(purpose: Purpose) -> None:
    def journal(until: float) -> Journal:
        return Journal(Mark(1, "t1"), attempt(2, until))

    assert isinstance(seen(purpose, GOOD, PENDING, journal=journal(NOW + 1)), Busy)
    assert isinstance(seen(purpose, GOOD, PENDING, journal=journal(NOW)), Return)
    assert isinstance(seen(purpose, GOOD, PENDING, journal=journal(NOW + 1), insist=True), Return)


def test_what_an_attempt_deployed_is_not_good_before_it_is_marked() -> None:
    history = (revision(1, Status.SUPERSEDED), revision(2, Status.DEPLOYED, description=f"{DESCRIPTION}site"))
    journal = Journal(Mark(1, "t1"), attempt(2))
    assert seen(RUN, *history, journal=journal) == Ready(1)
    assert seen(RECOVER, *history, journal=journal) == Return(1, "revision 2 is deployed and passed no check")


def test_what_somebody_deployed_after_an_attempt_is_good() -> None:
    history = (GOOD, FAILED, revision(3, Status.DEPLOYED, description="Upgrade complete"))
    assert seen(RECOVER, *history, journal=Journal(Mark(1, "t1"), attempt(2))) == Settled(3, open=True)


def test_a_superseded_revision_is_not_taken_for_good() -> None:
    history = (revision(1, Status.SUPERSEDED), revision(2, Status.SUPERSEDED), revision(3, Status.FAILED))
    assert isinstance(seen(RUN, *history), Lost)
    assert isinstance(seen(RECOVER, *history), Lost)
    assert seen(RUN, *history, journal=Journal(Mark(1, "t1"))) == Ready(1)


def test_an_install_that_never_finished_is_uninstalled_and_one_that_failed_by_hand_is_not() -> None:
    assert isinstance(seen(RUN, revision(1, Status.FAILED)), Lost)
    assert seen(RUN, revision(1, Status.PENDING_INSTALL)) == Return(None, "the first install never finished")
    assert isinstance(seen(RUN, revision(1, Status.FAILED), journal=Journal(None, attempt(1))), Return)


@pytest.mark.parametrize("purpose", [RUN, RECOVER])
def test_nothing_is_uninstalled_where_there_was_once_a_good_revision(purpose: Purpose) -> None:
    history = (revision(8, Status.FAILED), revision(9, Status.PENDING_UPGRADE))
    assert isinstance(seen(purpose, *history, journal=Journal(Mark(7, "t7"), attempt(8))), Lost)
    assert isinstance(seen(purpose, *history, journal=Journal(None, attempt(9))), Lost)
    assert isinstance(seen(purpose, *history, journal=Journal(Mark(8, "of another release"), attempt(8))), Lost)


def test_a_release_that_was_uninstalled_with_its_history_kept_is_for_a_person() -> None:
    assert isinstance(seen(RUN, revision(1, Status.UNINSTALLED)), Lost)
    assert isinstance(seen(RUN, revision(1, Status.UNINSTALLING)), Lost)
    assert isinstance(seen(RUN, revision(1, Status.UNINSTALLING), journal=Journal(None, attempt(1))), Return)


def driver(model: Model) -> Driver:
    return Driver(
        model,
        now=lambda: NOW,
        timeout=60.0,
        holder="me",
        gone=lambda _: False,
        cancelled=lambda: model.cancelled,
        report=lambda _: None,
    )


def upgraded(fault: Fault | None = None, at: str = "check") -> Model:
    model = Model.deployed(3, "old")
    model.name = "new"
    model.fault = lambda call: fault if call.split(" ")[0] == at else None
    return model


def test_a_rollback_that_fails_once_is_tried_again() -> None:
    model = upgraded()
    faults = {"check": [Fault.FAIL], "rollback": [Fault.FAIL]}
    model.fault = lambda call: ((left := faults.get(call.split(" ")[0], [])) and left.pop()) or None
    assert driver(model).run().step is Step.ROLLED_BACK
    assert model.content[model.revisions[-1].number] == "old"


def test_a_rollback_to_something_else_is_a_loud_stop() -> None:
    class Forgetful(Model):
        def rollback(self, revision: int) -> None:
            super().rollback(revision)
            self.content[self.revisions[-1].number] = "something else"

    model = Forgetful.deployed(3, "old")
    model.fault = lambda call: Fault.FAIL if call.startswith("check") else None
    state = driver(model).run()
    assert state.step is Step.STUCK
    assert state.trouble == "revision 5 is not what revision 3 was"


def test_a_run_that_is_cancelled_after_a_good_stage_begins_no_other() -> None:
    first, second = upgraded(), upgraded()

    def cancelled_at_the_end(call: str) -> Fault | None:
        accepting = first.kept.attempt is not None and first.kept.attempt.step == "check"
        return Fault.CANCEL if call == "write" and accepting else None

    first.fault = cancelled_at_the_end
    stop = driver(second)
    stop.cancelled = lambda: first.cancelled
    ended = in_order([("first", driver(first)), ("second", stop)])
    assert [(one.stage, one.state.step) for one in ended] == [("first", Step.DONE)]
    assert second.kept == Journal()


def test_a_stage_that_somebody_else_takes_is_theirs() -> None:
    model = upgraded()

    def taken(call: str) -> None:
        if call == "verify":
            model.version += 1

    model.fault = taken  # type: ignore[assignment]
    state = driver(model).run()
    assert state.step is Step.STUCK
    assert state.trouble == "somebody else has written the journal"
    assert model.revisions[-1].number == 4


@pytest.mark.parametrize("fault", [None, Fault.FAIL])
def test_what_somebody_deploys_during_a_check_stays(fault: Fault | None) -> None:
    model = upgraded()

    def deploys(call: str) -> Fault | None:
        if not call.startswith("check"):
            return None
        model.revisions += (revision(5, Status.DEPLOYED, description="Upgrade complete"),)
        model.content[5] = "theirs"
        return fault

    model.fault = deploys
    assert driver(model).run().step is Step.STUCK
    assert model.revisions[-1].number == 5
    assert model.kept.good == Mark(3, "t3")
