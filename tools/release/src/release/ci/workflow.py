"""GitHub Actions workflows as typed values.

What a step needs (a permission of GITHUB_TOKEN, a secret, a cloud identity) is declared with the step; permissions of
jobs are derived from that, never written. What a linter would find is refused when the value is made: an action
without a pin, an expression in a script, a secret outside of an environment.
Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from release.ci.expression import Expression, Template, both, context, equal
from release.ci.pins import Pin
from release.publish.destination import Grant

if TYPE_CHECKING:
    from release.ci.change import Change

__all__ = [
    "LEVELS",
    "Cell",
    "Concurrency",
    "Identity",
    "Job",
    "Need",
    "Purpose",
    "Secret",
    "Step",
    "Trigger",
    "Value",
    "Workflow",
    "derived",
    "planned",
    "run_condition",
]

Value = str | int | bool | Expression | Template
Cell = Mapping[str, str]
"""One job of a matrix: the value of each of its variables."""

LEVELS = ("none", "read", "write")
"""What GITHUB_TOKEN may be allowed in a scope, rising."""
SCOPES = frozenset(
    {"actions", "artifact-metadata", "attestations", "checks", "contents", "deployments", "discussions", "id-token"}
    | {"issues", "models", "packages", "pages", "pull-requests", "security-events", "statuses"}
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_MOST_MINUTES = 360


class Purpose(enum.Enum):
    """What a cloud identity is used for; ``PLAN`` only reads."""

    PLAN = "plan"
    APPLY = "apply"


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret of the job's environment that a step reads from the environment variable of the same name."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Identity:
    """A cloud identity that the job gets by OIDC; there is no long-lived secret behind it."""

    cloud: str
    purpose: Purpose
    reason: str


Need = Grant | Secret | Identity


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a script or a pinned action, and all that it needs."""

    name: str
    run: str = ""
    uses: Pin | None = None
    inputs: Mapping[str, Value] = field(default_factory=dict)
    env: Mapping[str, Value] = field(default_factory=dict)
    id: str = ""
    condition: Expression | None = None
    needs: tuple[Need, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.run) == (self.uses is not None):
            raise ValueError(f"the step {self.name!r} must either run a script or use an action")
        if "${{" in self.run:
            raise ValueError(f"the step {self.name!r} has an expression in its script: pass it through env")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """The secrets among its needs."""
        return tuple(need for need in self.needs if isinstance(need, Secret))


@dataclass(frozen=True, slots=True)
class Concurrency:
    """Runs of one ``group`` exclude each other; ``queued``: each waits its turn, none is replaced (``queue: max``)."""

    group: str | Template
    cancel: bool | Expression = False
    queued: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """A job and, where the plan job decides about it, ``select``: which matrix cells a change needs (none: no job).

    ``axes`` are the variables of a cell; a planned job without any runs once or not at all. ``matrix`` is one that is
    always the same. ``why`` says why the job is there.
    """

    id: str
    name: str | Template
    why: str
    steps: tuple[Step, ...]
    runner: str
    minutes: int = 30
    after: tuple[str, ...] = ()
    condition: Expression | None = None
    environment: str | Expression | None = None
    axes: tuple[str, ...] = ()
    select: Callable[[Change], Sequence[Cell]] | None = None
    matrix: tuple[Cell, ...] = ()
    matrix_from: Expression | None = None
    most_parallel: int = 0
    fail_fast: bool = False
    outputs: Mapping[str, Expression] = field(default_factory=dict)
    concurrency: Concurrency | None = None
    again: str = ""
    """How a person does the same at home; part of the summary."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.id):
            raise ValueError(f"{self.id!r} can't be a job's id")
        if not 1 <= self.minutes <= _MOST_MINUTES:
            raise ValueError(f"the job {self.id} can't have {self.minutes} minutes")
        if self.environment is None and any(step.secrets for step in self.steps):
            raise ValueError(f"the job {self.id} reads a secret outside of an environment")

    @property
    def needs(self) -> tuple[Need, ...]:
        """All that its steps need, in order, each once."""
        return tuple(dict.fromkeys(need for step in self.steps for need in step.needs))

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What GITHUB_TOKEN must be allowed: the highest level of each scope with the reasons for that level."""
        return derived(self.needs)


def derived(needs: Iterable[Need]) -> tuple[Grant, ...]:
    """Return the least permissions that cover ``needs``, by scope; the reasons of the deciding ones are joined."""
    highest: dict[str, Grant] = {}
    for need in needs:
        match need:
            case Grant():
                grant = need
            case Identity():
                grant = Grant("id-token", "write", need.reason)
            case Secret():
                continue
        if grant.scope not in SCOPES or grant.level not in LEVELS[1:]:
            raise ValueError(f"there is no permission {grant.scope}: {grant.level}")
        before = highest.get(grant.scope)
        if before is None or LEVELS.index(grant.level) > LEVELS.index(before.level):
            highest[grant.scope] = grant
        elif grant.level == before.level and grant.reason not in before.reason.split("; "):
            highest[grant.scope] = replace(before, reason=f"{before.reason}; {grant.reason}")
    return tuple(highest[scope] for scope in sorted(highest))


@dataclass(frozen=True, slots=True)
class Trigger:
    """What starts a workflow: an event with its filters (``branches``, ``tags``, ``types``, ``cron``, ``inputs``)."""

    event: str
    filters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    crons: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Text inputs of a run by hand, each with its description."""


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow; ``id`` is its file's name without the extension."""

    id: str
    name: str
    why: str
    triggers: tuple[Trigger, ...]
    concurrency: Concurrency
    jobs: tuple[Job, ...]

    def __post_init__(self) -> None:
        known: set[str] = set()
        for job in self.jobs:
            if job.id in known:
                raise ValueError(f"the workflow {self.id} has two jobs {job.id}")
            if unknown := set(job.after) - known:
                raise ValueError(f"the job {job.id} needs {', '.join(sorted(unknown))}, which is not before it")
            known.add(job.id)

    def job(self, id_: str) -> Job | None:
        """Return the job ``id_``, ``None`` when there is none."""
        return next((job for job in self.jobs if job.id == id_), None)


def planned(id_: str) -> Expression:
    """Return the condition that the plan job wants the job ``id_``."""
    return equal(context(f"needs.plan.outputs.{id_}"), "true")


def run_condition(job: Job) -> Expression | None:
    """Return when ``job`` runs: what the plan job says, and its own condition."""
    terms = [planned(job.id)] if job.select is not None else []
    if job.condition is not None:
        terms.append(job.condition)
    return both(*terms) if terms else None
