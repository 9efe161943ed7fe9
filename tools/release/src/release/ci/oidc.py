"""Who a workflow's job is to a cloud: the trust conditions of each identity, derived from the configuration.

Which token a job gets is GitHub's rule (https://docs.github.com/en/actions/reference/security/oidc): its ``sub`` ends
with the environment where the job has one, else with ``pull_request`` or the ref. The jobs are those of the catalogue:

===========  ====================================  ==================  =============================
purpose      when                                  environment         identity
===========  ====================================  ==================  =============================
``plan``     pull request                          none                ``plan`` of the environment
``plan``     schedule (drift), on the main branch  none                ``plan`` of the environment
``apply``    after approval                        the environment     ``apply`` of the environment
``rollout``  stage by stage                        of the stage        ``apply`` of the environment
===========  ====================================  ==================  =============================

Repositories made, renamed or moved since July 2026, and those that asked for it, have the numbers of owner and
repository in their ``sub``; both forms are derived.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from release.errors import ConfigError
from release.workspace.config import Config, locate
from release.workspace.delivery import Environment, GitHub

__all__ = [
    "AWS_AUDIENCE",
    "AZURE_AUDIENCE",
    "CLOUDS",
    "FILE",
    "HOST",
    "ISSUER",
    "Ask",
    "Trust",
    "claims",
    "condition",
    "credentials",
    "gcp_condition",
    "members",
    "plain",
    "terraform",
]

HOST = "token.actions.githubusercontent.com"
ISSUER = f"https://{HOST}"
AWS_AUDIENCE = "sts.amazonaws.com"
AZURE_AUDIENCE = "api://AzureADTokenExchange"
CLOUDS = ("aws", "gcp", "azure")

FILE = "github_oidc.tf.json"
"""The Terraform file that holds what is derived, as ``local.github_oidc``."""

GCP_MAPPING = {"google.subject": "assertion.sub", "attribute.repository_id": "assertion.repository_id"}
_GCP_SUBJECT = 127
"""Characters that Google takes as ``google.subject`` at most."""


@dataclass(frozen=True, slots=True, order=True)
class Ask:
    """A kind of job that asks for an identity; ``context`` is the end of its token's ``sub``."""

    purpose: str
    environment: str
    context: str


@dataclass(frozen=True, slots=True)
class Trust:
    """An identity, the jobs that ask for it, and the subjects that it must trust, and no others.

    ``provider`` is Google's workload identity provider; ``repository_id`` is ``""`` where it isn't configured, and
    then ``immutable`` is empty too.
    """

    cloud: str
    identity: str
    provider: str
    asks: tuple[Ask, ...]
    named: tuple[str, ...]
    """``repo:OWNER/NAME:…``, one for each context."""
    immutable: tuple[str, ...]
    """``repo:OWNER@ID/NAME@ID:…``, one for each context."""
    repository: str
    repository_id: str

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, of both forms."""
        return self.named + self.immutable

    @property
    def audience(self) -> str:
        """What the token must be for; Google's is the provider's own address."""
        if self.cloud == "gcp":
            return f"https://iam.googleapis.com/{self.provider}"
        return AWS_AUDIENCE if self.cloud == "aws" else AZURE_AUDIENCE

    def allows(self, token: dict[str, str]) -> bool:
        """Tell whether the conditions let a job with the claims ``token`` have this identity."""
        return (
            token.get("iss") == ISSUER
            and token.get("aud") == self.audience
            and token.get("sub") in self.subjects
            and (self.cloud == "azure" or not self.repository_id or token.get("repository_id") == self.repository_id)
        )


def claims(config: Config, content: bytes | None = None) -> tuple[Trust, ...]:
    """Return the identities that jobs ask for, in the order of their clouds and names.

    ``content`` is what ``config`` was read from; errors name places in it.

    Raises:
        ConfigError: an environment is named that isn't there, the repository isn't, an identity that pull requests
            plan with is also one that changes things, or Google could not take a subject.
    """
    wanted: dict[tuple[str, str, str], set[Ask]] = {}
    for environment, ask in _jobs(config, content):
        for cloud, identity, provider in _identities(environment, ask):
            wanted.setdefault((cloud, identity, provider), set()).add(ask)
    if not wanted:
        return ()
    if config.github is None:
        raise ConfigError(
            "jobs ask for cloud identities, and github.repository is not set",
            where=[locate(content, "environments")],
            fix="set github.repository, better with repository-id and owner-id",
        )
    found = [
        _trust(config.github, *key, tuple(sorted(asks)))
        for key, asks in sorted(wanted.items(), key=lambda item: (CLOUDS.index(item[0][0]), item[0]))
    ]
    for trust in found:
        _refuse(trust, content)
    return tuple(found)


def _jobs(config: Config, content: bytes | None) -> Iterator[tuple[Environment, Ask]]:
    for number, root in enumerate(config.terraform.roots if config.terraform is not None else ()):
        for at, name in enumerate(root.environments):
            environment = _named(config, name, content, "terraform", "roots", str(number), "environments", str(at))
            yield environment, Ask("plan", name, "pull_request")
            yield environment, Ask("plan", name, f"ref:refs/heads/{config.main}")
            yield environment, Ask("apply", name, f"environment:{name}")
    for number, stage in enumerate(config.rollout.stages if config.rollout is not None else ()):
        environment = _named(config, stage.environment, content, "rollout", "stages", str(number), "environment")
        yield environment, Ask("rollout", stage.environment, f"environment:{stage.environment}")


def _named(config: Config, name: str, content: bytes | None, *keys: str) -> Environment:
    if name not in config.environments:
        known = ", ".join(config.environments) or "none"
        raise ConfigError(
            f"there is no environment {name!r}; there is: {known}",
            where=[locate(content, *keys)],
            fix=f"add environments.{name}, or name one that is there",
        )
    return config.environments[name]


def _identities(environment: Environment, ask: Ask) -> Iterator[tuple[str, str, str]]:
    for cloud in CLOUDS:
        found = getattr(environment, cloud)
        if found is not None:
            identity = found.plan if ask.purpose == "plan" else found.apply
            yield cloud, identity, found.provider if cloud == "gcp" else ""


def _trust(github: GitHub, cloud: str, identity: str, provider: str, asks: tuple[Ask, ...]) -> Trust:
    owner, name = github.repository.split("/")
    contexts = sorted({ask.context for ask in asks})
    immutable: list[str] = []
    if github.owner_id is not None and github.repository_id is not None:
        immutable = [f"repo:{owner}@{github.owner_id}/{name}@{github.repository_id}:{one}" for one in contexts]
    return Trust(
        cloud,
        identity,
        provider,
        asks,
        tuple(f"repo:{github.repository}:{one}" for one in contexts),
        tuple(immutable),
        github.repository,
        "" if github.repository_id is None else str(github.repository_id),
    )


def _refuse(trust: Trust, content: bytes | None) -> None:
    plans = [ask for ask in trust.asks if ask.purpose == "plan"]
    changes = [ask for ask in trust.asks if ask.purpose != "plan"]
    if plans and changes:
        raise ConfigError(
            f"{trust.identity} plans {plans[0].environment} and changes {changes[0].environment}: "
            "a pull request could change things before it is reviewed",
            where=[locate(content, "environments", plans[0].environment, trust.cloud, "plan")],
            fix="give plan an identity of its own that can only read",
        )
    long = next((one for one in trust.subjects if trust.cloud == "gcp" and len(one) > _GCP_SUBJECT), None)
    if long is not None:
        raise ConfigError(
            f"Google takes subjects of {_GCP_SUBJECT} characters at most, and this has {len(long)}: {long}",
            where=[locate(content, "environments", trust.asks[0].environment, "gcp")],
            fix="give the environment a shorter name",
        )


def condition(trust: Trust) -> dict[str, dict[str, list[str]]]:
    """Return the ``Condition`` of the trust policy of an AWS role.

    STS takes the claim ``repository_id`` of GitHub's tokens as a condition key, beside ``sub`` and ``aud``:
    https://aws.amazon.com/about-aws/whats-new/2026/01/aws-sts-supports-validation-identity-provider-claims/
    """
    equals = {f"{HOST}:aud": [trust.audience], f"{HOST}:sub": list(trust.subjects)}
    if trust.repository_id:
        equals[f"{HOST}:repository_id"] = [trust.repository_id]
    return {"StringEquals": equals}


def gcp_condition(trusts: tuple[Trust, ...], provider: str) -> str:
    """Return the ``attribute_condition`` (CEL) of ``provider``: what all who use it may be."""
    using = [trust for trust in trusts if trust.provider == provider]
    subjects = sorted({subject for trust in using for subject in trust.subjects})
    listed = ", ".join(_cel(subject) for subject in subjects)
    first = using[0]
    same = (
        f"assertion.repository_id == {_cel(first.repository_id)}"
        if first.repository_id
        else f"assertion.repository == {_cel(first.repository)}"
    )
    return f"{same} && assertion.sub in [{listed}]"


def members(trust: Trust) -> list[str]:
    """Return who may act as a Google service account (``roles/iam.workloadIdentityUser``)."""
    pool = re.sub(r"/providers/[^/]+$", "", trust.provider)
    return [f"principal://iam.googleapis.com/{pool}/subject/{subject}" for subject in trust.subjects]


def _cel(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def credentials(trust: Trust) -> list[dict[str, Any]]:
    """Return the federated identity credentials of an Azure application, one for each subject; 20 at most fit."""
    found = []
    for subjects, form in ((trust.named, ""), (trust.immutable, "-immutable")):
        for subject in subjects:
            words = re.sub(r"[^A-Za-z0-9]+", "-", subject.split(":", 2)[2]).strip("-")
            found.append(
                {
                    "name": f"github-{words}{form}",
                    "issuer": ISSUER,
                    "subject": subject,
                    "audiences": [trust.audience],
                }
            )
    return found


def plain(trusts: tuple[Trust, ...]) -> dict[str, Any]:
    """Return ``trusts`` as plain data, the form of ``local.github_oidc`` in Terraform."""
    of = {cloud: [trust for trust in trusts if trust.cloud == cloud] for cloud in CLOUDS}
    providers = sorted({trust.provider for trust in of["gcp"]})
    return {
        "issuer": ISSUER,
        "aws": {trust.identity: {"asks": _asks(trust), "condition": condition(trust)} for trust in of["aws"]},
        "gcp": {
            "providers": {
                provider: {
                    "attribute_mapping": GCP_MAPPING,
                    "attribute_condition": gcp_condition(trusts, provider),
                }
                for provider in providers
            },
            "service_accounts": {
                trust.identity: {"asks": _asks(trust), "provider": trust.provider, "members": members(trust)}
                for trust in of["gcp"]
            },
        },
        "azure": {trust.identity: {"asks": _asks(trust), "credentials": credentials(trust)} for trust in of["azure"]},
    }


def _asks(trust: Trust) -> list[str]:
    return [f"{ask.purpose} {ask.environment} ({ask.context})" for ask in trust.asks]


def terraform(trusts: tuple[Trust, ...]) -> str:
    """Return the text of :data:`FILE`, in which ``local.github_oidc`` is what :func:`plain` returns.

    Source of the form: https://developer.hashicorp.com/terraform/language/syntax/json
    """
    import json

    note = "Generated by `release ci oidc --write` from release.yaml; do not edit."
    return json.dumps({"//": note, "locals": {"github_oidc": _escaped(plain(trusts))}}, indent=2) + "\n"


def _escaped(data: Any) -> Any:
    """Return ``data`` with what Terraform would evaluate in its strings taken literally."""
    if isinstance(data, dict):
        return {_escaped(key): _escaped(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_escaped(value) for value in data]
    if isinstance(data, str):
        return data.replace("${", "$${").replace("%{", "%%{")
    return data
