"""A rollout against stages in memory, with what goes wrong chosen by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from release.errors import RolloutRefused
from release.rollout.drive import Driver, in_order
from release.rollout.helm import Release
from release.rollout.machine import State
from release.rollout.model import Fault, Killed, Model
from release.rollout.words import error_of, step_of

__all__ = ["Story", "simulated"]

_POINTS = ("upgrade", "check", "rollback", "kill")
_KILLED = 137
_REVISION = 3


@dataclass(slots=True)
class Story:
    """What happened: lines of a stage, and the code that the command would have ended with."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    code: int = 0


def simulated(stages: Sequence[str], faults: Sequence[str], chart: str, *, first: bool) -> Story:
    """Return how a rollout to ``stages`` goes with ``faults``, each ``STAGE`` or ``STAGE:POINT``.

    After ``kill`` the story goes on with ``release rollout recover`` of that stage.

    Raises:
        RolloutRefused: a fault names no stage, or no point.
    """
    wrong = dict(_parsed(fault, stages) for fault in faults)
    models = {name: Model() if first else Model.deployed(_REVISION, f"{chart}-before") for name in stages}
    story = Story()
    for name, model in models.items():
        model.name = f"{chart}-new"
        model.fault = _faulty(wrong.get(name, ""))
    drivers = [(name, _driver(name, model, story)) for name, model in models.items()]
    try:
        ended = in_order(drivers)
    except Killed:
        story.code = _KILLED
        name = story.lines[-1][0]
        story.lines.append((name, "killed      the runner is gone; next: release rollout recover " + name))
        _driver(name, models[name], story).recover()
        return story
    last = ended[-1]
    error = error_of(last.stage, last.state, Release("simulated", "simulated"))
    if error is not None:
        story.code = error.exit_code
    return story


def _parsed(fault: str, stages: Sequence[str]) -> tuple[str, str]:
    name, _, point = fault.partition(":")
    point = point or "upgrade"
    if name not in stages or point not in _POINTS:
        raise RolloutRefused(
            f"{fault!r} names no stage and point",
            fix=f"write STAGE:POINT with one of {', '.join(stages)} and one of {', '.join(_POINTS)}",
        )
    return name, point


def _faulty(point: str) -> Callable[[str], Fault | None]:
    """Return the fault at each call; whoever fails a rollback has failed the upgrade before."""
    calls = {
        "": (),
        "upgrade": ("upgrade", "install"),
        "check": ("check",),
        "rollback": ("upgrade", "install", "rollback", "uninstall"),
        "kill": ("upgrade", "install"),
    }[point]
    fault = Fault.KILL if point == "kill" else Fault.FAIL
    return lambda call: fault if call.split(" ")[0] in calls else None


def _driver(name: str, model: Model, story: Story) -> Driver:
    def report(state: State) -> None:
        story.lines.append((name, step_of(state)))

    return Driver(
        model,
        now=lambda: 0.0,
        timeout=600.0,
        holder="simulated",
        gone=lambda _: True,
        cancelled=lambda: model.cancelled,
        report=report,
    )
