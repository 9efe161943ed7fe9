"""The keys of ``release.yaml`` about what follows a version: workflows, environments, Terraform, rollout."""

from __future__ import annotations

import enum
from typing import Annotated

import msgspec

from release.workspace.strict import Strict, says

__all__ = [
    "AwsIdentity",
    "AzureIdentity",
    "Ci",
    "Database",
    "Destination",
    "Egress",
    "Environment",
    "EnvironmentName",
    "GcpIdentity",
    "GitHub",
    "Moodle",
    "Publish",
    "Rollout",
    "Scan",
    "Setup",
    "Severity",
    "Stage",
    "Terraform",
    "TerraformRoot",
]

_Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
_Word = Annotated[str, msgspec.Meta(min_length=1)]
EnvironmentName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
_Line = Annotated[str, msgspec.Meta(pattern=r"^[^\s]([^\r\n]*[^\s])?$")]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[^\s@]+@sha256:[0-9a-f]{64}$")]
_Endpoint = Annotated[str, msgspec.Meta(pattern=r"^[^\s:]+:[0-9]+$")]
_Namespace = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
_Store = Annotated[str, msgspec.Meta(pattern=r"^(s3|gs|azblob|file)://\S+$")]
_Minutes = Annotated[int, msgspec.Meta(ge=1, le=360)]
_Version = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")]


class GitHub(Strict, frozen=True, kw_only=True):
    """The repository on GitHub; its numbers are those of ``gh api repos/OWNER/NAME --jq '.id, .owner.id'``."""

    repository: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$")]
    repository_id: Annotated[int | None, says("The repository's number, which stays when it is renamed.")] = None
    owner_id: Annotated[int | None, says("The owner's number.")] = None


class AwsIdentity(Strict, frozen=True, kw_only=True):
    """Roles that a workflow assumes by OIDC."""

    region: _Word
    plan: Annotated[_Word, says("The ARN of the read-only role.")]
    apply: Annotated[_Word, says("The ARN of the role that changes things.")]


class GcpIdentity(Strict, frozen=True, kw_only=True):
    """Service accounts that a workflow acts as by workload identity federation."""

    provider: Annotated[_Word, says("projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER")]
    plan: Annotated[_Word, says("The e-mail of the read-only service account.")]
    apply: Annotated[_Word, says("The e-mail of the service account that changes things.")]


class AzureIdentity(Strict, frozen=True, kw_only=True):
    """Applications with federated credentials; all values are GUIDs, none is a secret."""

    tenant: _Word
    subscription: _Word
    plan: Annotated[_Word, says("The client id of the read-only application.")]
    apply: Annotated[_Word, says("The client id of the application that changes things.")]


class Environment(Strict, frozen=True, kw_only=True):
    """A GitHub environment and who a job in it is to a cloud."""

    aws: AwsIdentity | None = None
    gcp: GcpIdentity | None = None
    azure: AzureIdentity | None = None


class Egress(enum.Enum):
    """What harden-runner does about a job's connections."""

    AUDIT = "audit"
    BLOCK = "block"
    NONE = "none"


class Severity(enum.Enum):
    """How bad a vulnerability is."""

    CRITICAL = "CRITICAL"
    HIGH = "HIGH"
    MEDIUM = "MEDIUM"
    LOW = "LOW"
    UNKNOWN = "UNKNOWN"


class Database(enum.Enum):
    """A database as Moodle's ``$CFG->dbtype`` calls it."""

    PGSQL = "pgsql"
    MARIADB = "mariadb"
    MYSQLI = "mysqli"


class Moodle(Strict, frozen=True, kw_only=True):
    """Tests of plugins inside a Moodle: plugin, PHP, database and branch crossed, from ``$plugin->supported``."""

    session: Annotated[_Name, says("The nox session that runs moodle-plugin-ci.")] = "moodle"
    databases: Annotated[dict[Database, _Digest], says("Container image by digest of each: pgsql, mariadb, mysqli.")]


class Setup(Strict, frozen=True, kw_only=True):
    """A step of your own before components of some kinds are built or tested: a command, or a pinned action."""

    name: _Word
    kinds: Annotated[
        tuple[_Name, ...],
        says("The kinds of components it is for; bundle: plugins' libraries."),
        msgspec.Meta(min_length=1),
    ]
    run: Annotated[str, says("The command.")] = ""
    uses: Annotated[str, says("The action, OWNER/NAME; its commit is in the pins.")] = ""
    inputs: Annotated[dict[str, str | int | bool], says("The action's inputs.")] = {}


class Scan(Strict, frozen=True, kw_only=True):
    """Which vulnerabilities stop an image."""

    severity: Annotated[tuple[Severity, ...], msgspec.Meta(min_length=1)] = (Severity.CRITICAL, Severity.HIGH)
    ignore_unfixed: Annotated[bool, says("Let those pass that have no fix yet.")] = True
    trivy: Annotated[_Word, says("The version of Trivy.")] = "v0.74.0"


class Ci(Strict, frozen=True, kw_only=True):
    """How the GitHub Actions workflows are made (``release ci generate``)."""

    runner: Annotated[_Line, says("The label of the runners.")] = "ubuntu-24.04"
    python: Annotated[_Word, says("The Python that runs `release` and nox.")] = "3.13"
    launcher: Annotated[str, says("What comes before `release` and `nox` in a step, such as ./dev.")] = ""
    install: Annotated[str, says("The command that installs `release` and `nox`; empty where the launcher does.")] = ""
    timeout: Annotated[_Minutes, says("Minutes after which a job is stopped.")] = 30
    egress: Annotated[Egress, says("What harden-runner does about connections.")] = Egress.AUDIT
    endpoints: Annotated[
        tuple[_Endpoint, ...], says("HOST:PORT of each connection that `egress: block` lets through.")
    ] = ()
    lint: Annotated[tuple[_Name, ...] | None, says("nox sessions that look at the whole repository.")] = None
    test: Annotated[dict[str, _Name], says("The nox session that tests components of a kind.")] = {}
    moodle: Annotated[Moodle | None, says("Tests of plugins inside a Moodle.")] = None
    setup: Annotated[tuple[Setup, ...], says("Steps of your own before building and testing.")] = ()
    scan: Annotated[Scan, says("Which vulnerabilities stop an image.")] = Scan()
    platforms: Annotated[tuple[_Word, ...], says("What images are built for.")] = ("linux/amd64", "linux/arm64")
    codeql: Annotated[
        tuple[_Word, ...] | None, says("Languages that CodeQL analyses; default: those of the kinds.")
    ] = None
    without: Annotated[tuple[_Name, ...], says("Workflows that are not wanted.")] = ()


class TerraformRoot(Strict, frozen=True, kw_only=True):
    """A root module and the environments that it is applied to, in this order."""

    path: _Word
    environments: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)]


class Terraform(Strict, frozen=True, kw_only=True):
    """Root modules, and how a reviewed plan is kept until it is applied."""

    version: Annotated[_Version, says("The Terraform version; a plan is applied by the one that made it.")]
    store: Annotated[
        _Store, says("Where plan files are kept: s3://BUCKET/PREFIX, gs://…, azblob://ACCOUNT/CONTAINER/….")
    ]
    roots: Annotated[tuple[TerraformRoot, ...], msgspec.Meta(min_length=1)]


class Stage(Strict, frozen=True, kw_only=True):
    """One step of a rollout: a Helm release in one namespace of one cluster, and the check after it."""

    name: _Name
    environment: _Name
    check: Annotated[str, says("The command that must succeed before the next stage.")] = ""
    namespace: _Namespace = "moodle"
    cluster: Annotated[str, says("The cluster's name in its cloud; empty: the current context.")] = ""
    location: Annotated[str, says("The cluster's location (GCP) or resource group (Azure).")] = ""
    values: Annotated[tuple[_Word, ...], says("Values files, later ones win.")] = ()


class Rollout(Strict, frozen=True, kw_only=True):
    """A chart rolled out stage by stage."""

    chart: Annotated[_Word, says("The chart component.")]
    release: Annotated[_Name, says("The name of the Helm release.")]
    helm: Annotated[_Version, says("The Helm version, 3 or 4.")]
    timeout: Annotated[_Minutes, says("Minutes that an upgrade or rollback may take.")] = 10
    stages: Annotated[tuple[Stage, ...], msgspec.Meta(min_length=1)]


class Destination(Strict, frozen=True, kw_only=True):
    """A place that releases are published to."""

    to: Annotated[_Name, says("The kind of destination: github, cargo, moodle, oci, folder.")]
    environment: Annotated[_Name | None, says("The GitHub environment that its secrets and identity belong to.")] = None
    options: Annotated[dict[str, str], says("What this kind of destination has to know.")] = {}


class Publish(Strict, frozen=True, kw_only=True):
    """What is published where."""

    destinations: Annotated[dict[str, Destination], says("Destinations by a name of your own.")] = {}
    kinds: Annotated[dict[str, tuple[str, ...]], says("The destinations of each kind of component.")] = {}
