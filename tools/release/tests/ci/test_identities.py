"""What `release ci oidc` derives from the configuration is what the workflows' jobs ask for, no more and no less."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from everything import everything
from release.ci.compose import compose
from release.ci.oidc import claims
from release.ci.site import Site
from release.ci.workflow import Identity, Job, Purpose, Workflow
from release.flow.ci import survey_site
from release.repository.git import Repository


def _identity(site: Site, job: Job, need: Identity) -> str:
    """Return which identity of the environment a job's login step names."""
    named = [str(value) for step in job.steps if need in step.needs for value in step.inputs.values()]
    known = [
        identity
        for environment in site.config.environments.values()
        for cloud in (environment.aws, environment.gcp, environment.azure)
        if cloud is not None
        for identity in (cloud.plan, cloud.apply)
    ]
    return next(value for value in named if value in known)


def _contexts(site: Site, workflow: Workflow, job: Job) -> Iterator[str]:
    """Yield how the ``sub`` of the job's tokens ends, by GitHub's rule."""
    if job.environment is not None:
        yield f"environment:{job.environment}"
        return
    events = {trigger.event for trigger in workflow.triggers}
    yield "pull_request" if "pull_request" in events else f"ref:refs/heads/{site.config.main}"


def test_each_identity_trusts_exactly_the_jobs_that_log_in_with_it(tmp_path: Path) -> None:
    site = survey_site(Repository.open(everything(tmp_path / "campus").path))
    asked: dict[tuple[str, str], set[str]] = {}
    for workflow in compose(site):
        for job in workflow.jobs:
            for need in job.needs:
                if isinstance(need, Identity):
                    key = (need.cloud, _identity(site, job, need))
                    asked.setdefault(key, set()).update(_contexts(site, workflow, job))
    trusted = {(one.cloud, one.identity): {ask.context for ask in one.asks} for one in claims(site.config)}
    assert asked
    assert asked == trusted


def test_a_job_without_an_environment_only_reads(tmp_path: Path) -> None:
    site = survey_site(Repository.open(everything(tmp_path / "campus").path))
    for workflow in compose(site):
        for job in workflow.jobs:
            purposes = {need.purpose for need in job.needs if isinstance(need, Identity)}
            assert job.environment is not None or purposes <= {Purpose.PLAN}, job.id
