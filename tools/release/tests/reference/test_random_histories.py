"""The planner agrees with the slow reference on random histories: levels, versions, build numbers, counted commits."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from pathlib import Path

import pytest

from reference.histories import History, Version, grow, version_text
from reference.planner import Decided, Decision, Reference, Refused
from reference.repositories import build
from release.errors import VersionRefused
from release.flow.plan import make_plan
from release.flow.survey import Survey, survey
from release.model.plan import CommitReason, Plan, Request
from release.planning.decide import Decision as Made
from release.repository.git import Repository

TODAY = dt.date(2026, 11, 23)
ACTIONS = 38
IN_ONE = 10


@pytest.mark.parametrize("block", range(50))
def test_planner_agrees_with_the_reference_on_random_histories(block: int, tmp_path: Path) -> None:
    for seed in range(block * IN_ONE, (block + 1) * IN_ONE):
        if _differences(seed, ACTIONS, tmp_path):
            actions = next(n for n in range(1, ACTIONS + 1) if _differences(seed, n, tmp_path))
            found = _differences(seed, actions, tmp_path)
            pytest.fail(f"seed {seed}, {actions} actions:\n" + "\n".join([*_shown(grow(seed, actions)), *found]))


def _differences(seed: int, actions: int, folder: Path) -> list[str]:
    """Return what the two planners do not agree on."""
    history = grow(seed, actions)
    shutil.rmtree(folder / "repository", ignore_errors=True)
    shas = build(history, folder / "repository")
    repository = Repository.open(folder / "repository")
    if seed % 3 == 0:
        repository.run("update-ref", "HEAD", shas[history.tips[-1]])
        survey(repository)
        repository.run("update-ref", "HEAD", shas[history.head])
    found = survey(repository)
    reference = Reference(history)
    numbers = {sha: number for number, sha in enumerate(shas)}
    differences = [
        f"{name} {'since final' if final else 'news'}: {_made(made[name], numbers)} should be {expected}"
        for final, made in ((True, found.decisions), (False, found.news))
        for name in reference.names
        if _made(made[name], numbers) != (expected := reference.decision(name, final=final))
    ]
    return differences or _plan_differences(history, reference, found, numbers)


def _plan_differences(history: History, reference: Reference, found: Survey, numbers: dict[str, int]) -> list[str]:
    """Compare plans; where a version is refused, ask for another one until a plan is made."""
    asked: dict[str, Version] = {}
    while True:
        as_asked = tuple((name, version_text(version)) for name, version in sorted(asked.items()))
        request = Request(history.components, history.pre, as_asked)
        plan = refusal = None
        try:
            plan = make_plan(found, request, TODAY)
        except VersionRefused as error:
            refusal = error
        try:
            expected = reference.plan(20261123, asked)
        except Refused as refused:
            said = refusal.what if refusal else "planned"
            named = refused.components & set(re.split(r"[\s,:]+", said))
            if not named:
                return [f"{refused} should be refused, not: {said}"]
            asked[min(named)] = (50, 0, len(asked), "")
            continue
        if plan is None:
            return [f"refused, though a plan is possible: {refusal}"]
        made = _decided(plan, numbers)
        return [
            f"{name}: {made.get(name)} should be {expected.get(name)}"
            for name in reference.names
            if made.get(name) != expected.get(name)
        ]


def _made(decision: Made, numbers: dict[str, int]) -> Decision:
    counted = frozenset((numbers[reason.commit], int(reason.level)) for reason in decision.reasons)
    return Decision(int(decision.level), counted)


def _decided(plan: Plan, numbers: dict[str, int]) -> dict[str, Decided]:
    return {
        bump.component: Decided(
            int(bump.level),
            _version(bump.before) if bump.before is not None else None,
            _version(bump.after),
            bump.build_after,
            bump.tag is not None,
            frozenset(
                (numbers[reason.commit], int(reason.level))
                for reason in bump.reasons
                if isinstance(reason, CommitReason)
            ),
        )
        for bump in plan.bumps
    }


def _version(version: object) -> Version:
    core, _, pre = str(version).partition("-")
    major, minor, patch = core.split(".")
    return int(major), int(minor), int(patch), pre


def _shown(history: History) -> list[str]:
    lines = [f"config: {history.zero}, {history.unconventional}, pre {history.pre}, only {history.components}"]
    for commit in history.commits:
        before = history.commits[commit.parents[0]].tree if commit.parents else {}
        paths = [path for path in {*before, *commit.tree} if before.get(path) != commit.tree.get(path)]
        tags = [f"{tag.component}-v{version_text(tag.version)}" for tag in history.tags if tag.commit == commit.number]
        text = commit.text.replace("\n", "⏎")
        lines.append(f"{commit.number} {commit.parents} {text!r} {sorted(paths) if commit.parents else '…'} {tags}")
    return [*lines, f"tips {history.tips}"]
