"""Workflows in words and as a diagram."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from release.ci.workflow import Identity, Job, Secret, Trigger, Workflow, run_condition

__all__ = ["data", "job_lines", "mermaid", "workflow_lines"]


def workflow_lines(workflow: Workflow) -> Iterator[str]:
    """Yield lines that say why the workflow is there, what starts it and what its jobs are."""
    yield f"{workflow.id}: {workflow.why}"
    yield f"started by: {', '.join(map(_trigger, workflow.triggers))}"
    group = f"one run at a time in the group {workflow.concurrency.group}"
    cancel = workflow.concurrency.cancel
    yield f"{group}; {'none is cancelled' if cancel is False else f'a newer one cancels when {cancel}'}"
    for job in workflow.jobs:
        yield ""
        yield from job_lines(job)


def job_lines(job: Job) -> Iterator[str]:
    """Yield lines that say why the job is there, when it runs, and what it may do."""
    yield f"{job.id}: {job.why}"
    if job.after:
        yield f"  after: {', '.join(job.after)}"
    condition = run_condition(job)
    if condition is not None:
        yield f"  runs when: {condition.text}"
    if job.environment is not None:
        yield f"  environment: {job.environment}"
    for grant in job.grants:
        yield f"  may: {grant.scope}: {grant.level} ({grant.reason})"
    for need in job.needs:
        if isinstance(need, Secret):
            yield f"  reads: secret {need.name} ({need.reason})"
        elif isinstance(need, Identity):
            yield f"  is: {need.cloud} as {need.purpose.value} ({need.reason})"
    yield f"  stopped after: {job.minutes} minutes"
    if job.again:
        yield f"  by hand: {job.again}"


def data(workflow: Workflow, jobs: Sequence[Job]) -> dict[str, Any]:
    """Return what :func:`workflow_lines` says as plain data, for ``jobs`` of it."""
    return {
        "workflow": workflow.id,
        "why": workflow.why,
        "triggers": [_trigger(trigger) for trigger in workflow.triggers],
        "jobs": [
            {
                "job": job.id,
                "why": job.why,
                "after": list(job.after),
                "condition": str(condition.text) if (condition := run_condition(job)) is not None else None,
                "environment": None if job.environment is None else str(job.environment),
                "permissions": {grant.scope: grant.level for grant in job.grants},
                "secrets": [need.name for need in job.needs if isinstance(need, Secret)],
                "identities": [_identity(need) for need in job.needs if isinstance(need, Identity)],
                "minutes": job.minutes,
                "again": job.again,
            }
            for job in jobs
        ],
    }


def mermaid(workflows: Iterable[Workflow]) -> str:
    """Return a Mermaid flowchart: what starts each workflow, and its jobs in their order."""
    lines = ["flowchart LR"]
    for number, workflow in enumerate(workflows):
        ids = {job.id: f"w{number}j{place}" for place, job in enumerate(workflow.jobs)}
        lines.append(f'    t{number}(["{" · ".join(trigger.event for trigger in workflow.triggers)}"])')
        lines.append(f'    subgraph w{number}["{workflow.id}"]')
        lines += [f'        {ids[job.id]}["{job.id}"]' for job in workflow.jobs]
        lines += [
            f"        {ids[before]} --> {ids[job.id]}" for job in workflow.jobs for before in _direct(workflow, job)
        ]
        lines.append("    end")
        lines.append(f"    t{number} --> w{number}")
    return "\n".join(lines)


def _direct(workflow: Workflow, job: Job) -> list[str]:
    """Return the jobs that ``job`` waits for, without those that one of them waits for already."""
    waits = {one.id: set(one.after) for one in workflow.jobs}
    covered = {far for near in job.after for far in waits[near]}
    return [before for before in job.after if before not in covered]


def _trigger(trigger: Trigger) -> str:
    if trigger.crons:
        return f"{trigger.event} ({', '.join(trigger.crons)} UTC)"
    filters = "; ".join(f"{key}: {', '.join(values)}" for key, values in trigger.filters.items())
    return f"{trigger.event} ({filters})" if filters else trigger.event


def _identity(need: Identity) -> dict[str, str]:
    return {"cloud": need.cloud, "purpose": need.purpose.value}
