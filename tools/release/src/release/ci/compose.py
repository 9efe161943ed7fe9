"""Put workflows together from the parts of the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from release.ci.catalogue import PARTS
from release.ci.expression import Template, always, context
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import BUNDLE, CHECKOUT, opening, release, summary
from release.ci.workflow import Job, Workflow
from release.workspace.delivery import Egress
from release.workspace.kinds import KINDS

__all__ = ["GATE", "GATED", "compose"]

GATED = "ci"
"""The workflow with the check that branches require and that a release pull request starts: it is always there."""

GATE = "all-green"
"""The id of the last job of a gated workflow: the one check that branches require."""

_WRITTEN = ("main", "maintenance", "ci", "environments", "terraform", "rollout", "publish")
"""The keys of `release.yaml` whose texts get into workflows."""


def compose(site: Site, parts: Sequence[Part] = PARTS) -> tuple[Workflow, ...]:
    """Return the workflows that the repository needs, in the catalogue's order.

    Raises:
        ConfigError: ``release.yaml`` names what is not there, or wants a part that has nothing to check it.
        PinError: a job needs an action that is not pinned.
    """
    _refuse_expressions(site)
    _check(site)
    wanted = _wanted(site, parts)
    frames = {part.workflow: part.frame for part in wanted if part.frame is not None}
    jobs: dict[str, list[Job]] = {}
    for part in wanted:
        jobs.setdefault(part.workflow, []).extend(part.jobs(site))
    framed = {id_: frames[id_] for id_, found in jobs.items() if found or id_ == GATED}
    return tuple(_workflow(site, id_, frame(site), jobs[id_]) for id_, frame in framed.items())


def _refuse_expressions(site: Site) -> None:
    """Refuse what GitHub would work out in a generated file: it could read any secret, in any job.

    Raises:
        ConfigError: with the place of the first one.
    """
    import msgspec

    queue: list[tuple[tuple[str, ...], Any]] = [
        ((name,), msgspec.to_builtins(getattr(site.config, name))) for name in _WRITTEN
    ]
    for keys, value in queue:
        if isinstance(value, dict):
            queue += [((*keys, key), one) for key, text in value.items() for one in (key, text)]
        elif isinstance(value, list | tuple):
            queue += [((*keys, str(number)), one) for number, one in enumerate(value)]
        elif isinstance(value, str) and "${{" in value:
            raise site.error(f"{'.'.join(keys)} holds an expression", "write plain text: no ${{ … }}", *keys)


def _check(site: Site) -> None:
    """Refuse what no part would notice, because it would do nothing."""
    for number, setup in enumerate(site.config.ci.setup):
        for place, kind in enumerate(setup.kinds):
            if kind not in (*KINDS, BUNDLE):
                keys = ("ci", "setup", str(number), "kinds", str(place))
                raise site.error(
                    f"{kind!r} is no kind of component", f"name some of {', '.join(KINDS)}, {BUNDLE}", *keys
                )
    for kind in site.config.ci.test:
        if kind not in KINDS:
            fix = f"name one of {', '.join(KINDS)}"
            raise site.error(f"{kind!r} is no kind of component", fix, "ci", "test", kind)
    if site.config.ci.egress is Egress.BLOCK and not site.config.ci.endpoints:
        fix = "list what jobs connect to below `endpoints`; `egress: audit` finds it out"
        raise site.error("`egress: block` lets nothing through", fix, "ci", "egress")


def _wanted(site: Site, parts: Iterable[Part]) -> list[Part]:
    known = {part.id: part for part in parts}
    for number, name in enumerate(site.config.ci.without):
        if name not in known or known[name].needed:
            there = ", ".join(part.id for part in parts if not part.needed)
            raise site.error(f"{name!r} can't be left out", f"name some of {there}", "ci", "without", str(number))
    return [part for part in known.values() if part.id not in site.config.ci.without]


def _workflow(site: Site, id_: str, frame: Frame, jobs: Sequence[Job]) -> Workflow:
    planned = [job for job in jobs if job.select is not None]
    found = [replace(job, after=("plan", *job.after)) if job in planned else job for job in jobs]
    if planned or frame.gated:
        found.insert(0, _plan(site, id_, planned))
    if frame.gated:
        found.append(_gate(site, found))
    return Workflow(
        id_, frame.name, frame.why, frame.triggers, frame.concurrency, tuple(_summarised(job) for job in found)
    )


def _plan(site: Site, workflow: str, planned: Sequence[Job]) -> Job:
    """Return the job that decides what the change needs; its outputs are named after the jobs."""
    output = {"jobs": context("steps.plan.outputs.jobs")}
    for job in planned:
        output[job.id] = context(f"steps.plan.outputs.{job.id}")
        if job.axes:
            output[f"{job.id}-cells"] = context(f"steps.plan.outputs.{job.id}-cells")
    decide = release(site, "Decide what the change needs", f"affected --github {workflow}", CHECKOUT, id="plan")
    return Job(
        id="plan",
        name="plan",
        why="Decides what this change needs: each job and its matrix, from the graph of components.",
        runner=site.config.ci.runner,
        minutes=15,
        steps=(*opening(site, history=True), decide),
        outputs=output,
        again=site.tool(f"release affected --base {site.config.main} --explain"),
    )


def _gate(site: Site, jobs: Sequence[Job]) -> Job:
    """Return the job that compares each job's result with what the plan job said should run."""
    results = [part for job in jobs for part in (f"{job.id}=", context(f"needs.{job.id}.result"), "\n")]
    judge = release(
        site,
        "Compare every job with the plan",
        "ci verdict",
        env={"RESULTS": Template.of(*results), "PLAN": context("needs.plan.outputs.jobs")},
    )
    return Job(
        id=GATE,
        name=GATE,
        why="The check that branches require: every job did what the plan said, and none was skipped against it.",
        runner=site.config.ci.runner,
        minutes=15,
        after=tuple(job.id for job in jobs),
        condition=always(),
        steps=(*opening(site), judge),
        again=site.tool("release ci explain ci all-green"),
    )


def _summarised(job: Job) -> Job:
    again = f"Run it yourself: `{job.again}`" if job.again else job.why
    return replace(job, steps=(*job.steps, summary(job.name, again)))
