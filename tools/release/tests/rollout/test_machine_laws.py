"""Whatever fails, is killed or cancelled: a recovered stage is at its last good revision, or says loudly why not."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from release.rollout.drive import Driver, in_order
from release.rollout.machine import State, Status, Step
from release.rollout.model import Fault, Killed, Model, no_fault

FAULTS = st.lists(st.sampled_from([None, None, None, *Fault]), max_size=14)
EPISODES = st.lists(st.tuples(st.sampled_from(["run", "run", "recover"]), FAULTS), min_size=1, max_size=5)


class Stage:
    """A model with the clock standing still and every former holder known to have ended."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.passed: list[str] = []
        self.faulty: Callable[[str], Fault | None] = no_fault
        model.fault = self._fault

    def driver(self, holder: str = "me") -> Driver:
        self.model.cancelled = False
        return Driver(
            self.model,
            now=lambda: 0.0,
            timeout=60.0,
            holder=holder,
            gone=lambda _: True,
            cancelled=lambda: self.model.cancelled,
            report=lambda state: self.steps.append(state.step),
        )

    def content(self) -> str | None:
        last = self.model.revisions[-1] if self.model.revisions else None
        return self.model.content[last.number] if last is not None else None

    def _fault(self, call: str) -> Fault | None:
        fault = self.faulty(call)
        if call.startswith("check ") and fault in (None, Fault.KILL_AFTER):
            self.passed.append(self.model.content[int(call.split()[1])])
        return fault


def from_list(faults: list[Fault | None]) -> Callable[[str], Fault | None]:
    left: Iterator[Fault | None] = iter(faults)
    return lambda _: next(left, None)


def is_whole(model: Model) -> bool:
    return not model.revisions or model.revisions[-1].status is Status.DEPLOYED


@settings(max_examples=400)
@given(first=st.booleans(), episodes=EPISODES)
def test_after_any_faults_a_recovery_ends_at_the_last_good_revision(
    first: bool, episodes: list[tuple[str, list[Fault | None]]]
) -> None:
    model = Model() if first else Model.deployed(3, "chart-0")
    stage = Stage(model)
    good: set[str | None] = {stage.content()}
    for number, (command, faults) in enumerate(episodes, 1):
        model.name = f"chart-{number}"
        stage.faulty = from_list(faults)
        stage.passed.clear()
        driver = stage.driver(f"holder {number}")
        try:
            state = driver.run() if command == "run" else driver.recover()
        except Killed:
            event("killed")
            good |= set(stage.passed)
            continue
        event(f"{command}: {state.step.value}")
        if state.step is Step.DONE:
            assert stage.passed == [model.name]
            good = {model.name}
        elif state.step in (Step.ROLLED_BACK, Step.SETTLED):
            assert is_whole(model)
            assert stage.content() in good
            good = {stage.content()}
        else:
            assert state.cause
            good |= set(stage.passed)
    stage.faulty = no_fault
    state = stage.driver("the last").recover()
    assert state.step in (Step.SETTLED, Step.ROLLED_BACK)
    assert is_whole(model)
    assert stage.content() in good
    assert model.kept.attempt is None


@settings(max_examples=400)
@given(first=st.booleans(), episodes=EPISODES)
def test_after_any_faults_the_next_run_rolls_out(first: bool, episodes: list[tuple[str, list[Fault | None]]]) -> None:
    model = Model() if first else Model.deployed(3, "chart-0")
    stage = Stage(model)
    for number, (command, faults) in enumerate(episodes, 1):
        model.name = f"chart-{number}"
        stage.faulty = from_list(faults)
        driver = stage.driver(f"holder {number}")
        try:
            driver.run() if command == "run" else driver.recover()
        except Killed:
            continue
    stage.faulty = no_fault
    model.name = "the last chart"
    assert stage.driver("the last").run().step is Step.DONE
    assert is_whole(model)
    assert stage.content() == "the last chart"


@given(faults=FAULTS)
def test_a_second_recovery_finds_nothing_to_do(faults: list[Fault | None]) -> None:
    stage = Stage(Model.deployed(3))
    stage.model.name = "new"
    stage.faulty = from_list(faults)
    try:
        stage.driver("killed").run()
    except Killed:
        event("killed")
    stage.faulty = no_fault
    stage.driver("first").recover()
    before = stage.model.revisions
    assert stage.driver("second").recover().step is Step.SETTLED
    assert stage.model.revisions == before


@given(faults=st.lists(FAULTS, min_size=3, max_size=3), first=st.booleans())
def test_no_stage_after_a_failed_one_is_touched(faults: list[list[Fault | None]], first: bool) -> None:
    stages = [Stage(Model() if first else Model.deployed(3, "old")) for _ in faults]
    for stage, wrong in zip(stages, faults, strict=True):
        stage.model.name = "new"
        stage.faulty = from_list(wrong)
    ended: list[State] = []
    try:
        ended = [one.state for one in in_order([(str(i), stage.driver()) for i, stage in enumerate(stages)])]
    except Killed:
        event("killed")
    done = [stage.content() == "new" and is_whole(stage.model) and not stage.model.kept.attempt for stage in stages]
    reached = [bool(stage.steps) for stage in stages]
    for i in range(1, len(stages)):
        assert done[i - 1] or not reached[i]
    assert all(state.step is Step.DONE for state in ended[:-1])


@pytest.mark.parametrize("step", ["rollback", "write", "verify"])
def test_a_way_back_that_fails_twice_is_a_loud_stop(step: str) -> None:
    stage = Stage(Model.deployed(3, "old"))
    stage.model.name = "new"
    failing = False

    def fault(call: str) -> Fault | None:
        nonlocal failing
        failing = failing or call.startswith("check")
        return Fault.FAIL if call.startswith("check") or (failing and call == step) else None

    stage.faulty = fault
    state = stage.driver().run()
    assert state.step is Step.STUCK
    assert state.cause == f"check {4} failed"
    assert state.trouble == f"{step} failed"
