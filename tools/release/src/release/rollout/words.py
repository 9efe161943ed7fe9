"""What is said of a stage: its steps, its end as an error with what a person can do, and GitHub's own forms of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from release.errors import ReleaseError, RollbackFailed, RolledBack, RolloutRefused
from release.rollout.drive import Ended
from release.rollout.helm import Release
from release.rollout.machine import Purpose, State, Step

__all__ = ["annotation", "by_hand", "error_of", "step_of", "summary", "write_summary"]


def step_of(state: State) -> str:
    """Return what a state does, or is, as a line for people."""
    good = "no release" if state.good is None else f"revision {state.good}"
    why = f": {state.trouble or state.cause}" if state.trouble or state.cause else ""
    texts = {
        Step.PREFLIGHT: "looking at what is there",
        Step.OPEN: f"writing down that a failure leads back to {good}",
        Step.INSTALL: "installing, and waiting until it is ready",
        Step.UPGRADE: "upgrading, and waiting until it is ready",
        Step.VERIFY: "verifying that the workloads are rolled out",
        Step.CHECK: "running the check",
        Step.ACCEPT: "writing down that this revision is good",
        Step.SEIZE: f"taking over{why}",
        Step.ROLLBACK: f"rolling back to {good}{why}",
        Step.UNINSTALL: f"uninstalling what was never good{why}",
        Step.CONFIRM: "verifying that nothing is left" if state.good is None else f"verifying that {good} is back",
        Step.CLOSE: "writing down how it ended",
        Step.TIDY: "closing what a former run left open",
        Step.DONE: "this revision is good",
        Step.SETTLED: f"at {good}; nothing to do",
        Step.ROLLED_BACK: "uninstalled" if state.good is None else f"back at {good}",
        Step.STUCK: f"a person is needed{why}",
        Step.REFUSED: f"not begun{why}",
    }
    return f"{state.step.value:<11} {texts[state.step]}"


def by_hand(stage: str, state: State, release: Release) -> list[str]:
    """Return the commands by which a person looks at a stage and brings it back."""
    where = " ".join(release.helm_flags())
    context = f" --context {release.context}" if release.context else ""
    back = (
        f"helm uninstall {release.name} --wait {where}"
        if state.good is None
        else f"helm rollback {release.name} {state.good} --wait {where}"
    )
    return [
        f"helm history {release.name} {where}",
        f"kubectl get pods,events --namespace {release.namespace}{context}",
        back,
        f"release rollout recover {stage} --recover now",
    ]


def error_of(stage: str, state: State, release: Release) -> ReleaseError | None:
    """Return the error that a stage's end is, ``None`` where it is what was asked for."""
    match state.step:
        case Step.STUCK:
            then = f", and then the way back failed: {state.trouble}" if state.trouble != state.cause else ""
            return RollbackFailed(
                f"{stage}: {state.cause}{then}; the release {release.name} is as it was left, and no further stage is "
                "rolled out",
                fix=f"by hand: {' ; '.join(by_hand(stage, state, release))}",
            )
        case Step.REFUSED:
            return RolloutRefused(
                f"{stage}: {state.cause}",
                fix=f"look with `release rollout status`; what a run that is over left is taken over with "
                f"`release rollout recover {stage} --recover now`, and `--to REVISION` names a good one",
            )
        case Step.ROLLED_BACK if state.purpose is Purpose.RUN:
            back = "it is uninstalled" if state.good is None else f"it is back at revision {state.good}"
            return RolledBack(
                f"{stage}: {state.cause}; {back}, and no further stage was begun",
                fix="mend what failed and roll out again",
            )
        case _:
            return None


def annotation(error: ReleaseError, title: str) -> str:
    """Return the workflow command that shows ``error`` on GitHub's pages.

    Its escapes are those of https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts.
    """
    text = f"{error.what}\n{error.fix}".replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    name = title.replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::error title={name}::{text}"


def summary(ended: Sequence[Ended], waiting: Sequence[str], releases: Mapping[str, Release]) -> str:
    """Return the Markdown for the job's summary page; ``waiting`` are the stages that were not begun."""
    lines = ["### Rollout", "", "| stage | end | why |", "| --- | --- | --- |"]
    for one in ended:
        why = " / ".join(dict.fromkeys(filter(None, (one.state.cause, one.state.trouble))))
        lines.append(f"| {one.stage} | {one.state.step.value} | {_cell(why)} |")
    lines += [f"| {name} | not begun | |" for name in waiting]
    for one in ended:
        if one.state.step is Step.STUCK:
            commands = by_hand(one.stage, one.state, releases[one.stage])
            lines += ["", f"**{one.stage} needs a person.** Look, bring it back, and say so:", "", "```sh"]
            lines += [*commands, "```"]
    return "\n".join(lines) + "\n"


def write_summary(text: str, environment: Mapping[str, str]) -> None:
    """Append ``text`` to the summary of the job, where there is one."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
