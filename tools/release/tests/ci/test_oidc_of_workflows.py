"""What clouds must trust is what the generated workflows ask for, no more and no less."""

from __future__ import annotations

from pathlib import Path

from release.ci.compose import compose
from release.ci.oidc import claims
from release.ci.workflow import Identity, Workflow
from release.flow.ci import survey_site
from release.repository.git import Repository
from release.workspace.config import load
from scratch import Scratch, chart

_ROLE = "arn:aws:iam::1:role"
_PROVIDER = "projects/7/locations/global/workloadIdentityPools/pool/providers/github"
_CONFIG = f"""\
github: {{repository: acme/site, repository-id: 22, owner-id: 11}}
environments:
  dev:
    aws: {{region: eu-west-1, plan: "{_ROLE}/dev-plan", apply: "{_ROLE}/dev-apply"}}
  staging:
    gcp: {{provider: {_PROVIDER}, plan: plan@p.iam, apply: apply@p.iam}}
  prod:
    azure: {{tenant: t, subscription: s, plan: client-plan, apply: client-apply}}
terraform:
  version: 1.11.4
  store: s3://plans/site
  roots:
    - {{path: terraform/site, environments: [dev, staging]}}
rollout:
  chart: site
  release: site
  helm: 4.0.0
  stages:
    - {{name: canary, environment: dev, check: "true"}}
    - {{name: all, environment: prod, check: "true"}}
"""
_INPUTS = ("role-to-assume", "service_account", "client-id")


def _asked(workflow: Workflow, main: str) -> set[tuple[str, str]]:
    """Return the identities that the jobs of ``workflow`` log in as, each with the end of the token's subject."""
    events = {trigger.event for trigger in workflow.triggers}
    found = set()
    for job in workflow.jobs:
        if isinstance(job.environment, str):
            contexts = {f"environment:{job.environment}"}
        else:
            ends = {"pull_request": "pull_request", "schedule": f"ref:refs/heads/{main}"}
            contexts = {end for event, end in ends.items() if event in events}
        for step in job.steps:
            if any(isinstance(need, Identity) for need in step.needs):
                (identity,) = (str(step.inputs[name]) for name in _INPUTS if name in step.inputs)
                found |= {(identity, context) for context in contexts}
    return found


def test_each_identity_trusts_exactly_the_jobs_of_the_workflows_that_log_in_as_it(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "site")
    scratch.commit(
        "all",
        {
            "release.yaml": _CONFIG,
            "charts/site/Chart.yaml": chart("site"),
            "charts/site/values.yaml": "a: 1\n",
            "terraform/site/main.tf": "",
        },
    )
    site = survey_site(Repository.open(scratch.path))
    asked = {pair for workflow in compose(site) for pair in _asked(workflow, "main")}
    trusted = {(trust.identity, ask.context) for trust in claims(load(_CONFIG.encode())) for ask in trust.asks}
    assert len(asked) == 7
    assert asked == trusted
