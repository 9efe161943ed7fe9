"""The steps that workflows are put together from."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace

from release.ci.expression import Expression, Template, always, call, context, either, equal, literal
from release.ci.site import Site
from release.ci.workflow import Identity, Need, Purpose, Secret, Step, Value
from release.errors import PinError
from release.publish.destination import Grant
from release.workspace.delivery import Egress

__all__ = [
    "BOT",
    "BUNDLE",
    "CHECKOUT",
    "GIT",
    "buildx",
    "chart_login",
    "cluster",
    "helm",
    "image_tools",
    "login",
    "natives",
    "none_failed",
    "nox",
    "on_main",
    "opening",
    "registry_login",
    "release",
    "summary",
    "terraform",
    "toolchain",
]

BUNDLE = "bundle"
"""What stands among the kinds of a step in ``ci.setup`` for building the libraries of plugins."""

CHECKOUT = Grant("contents", "read", "check out the repository")

_NAME = "github-actions[bot]"
_ADDRESS = "41898282+github-actions[bot]@users.noreply.github.com"

BOT: Mapping[str, Value] = {
    "GIT_AUTHOR_NAME": _NAME,
    "GIT_AUTHOR_EMAIL": _ADDRESS,
    "GIT_COMMITTER_NAME": _NAME,
    "GIT_COMMITTER_EMAIL": _ADDRESS,
}
"""Who makes the commits and tags of a workflow: a runner's git has no identity."""


_CREDENTIAL = '!f() { echo username=x-access-token; echo "password=$GITHUB_TOKEN"; }; f'

GIT: Mapping[str, Value] = {
    "GITHUB_TOKEN": context("github.token"),
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": Template.of("credential.", context("github.server_url"), ".helper"),
    "GIT_CONFIG_VALUE_0": _CREDENTIAL,
}
"""With what git itself reaches the repository, as who the job's token is: a checkout keeps no credentials.

No other host is given the token. Source: https://git-scm.com/docs/gitcredentials#_custom_helpers
"""


def opening(
    site: Site,
    *,
    history: bool = False,
    blobs: bool = False,
    caches: bool = False,
    tool: bool = True,
    ref: Expression | None = None,
) -> tuple[Step, ...]:
    """Return the first steps of every job: guard the runner, check out, and make `release` and nox ready.

    ``history`` fetches all commits and tags, ``blobs`` with the files of old ones too: git would get these one by one.
    ``ref`` is what is checked out instead of what started the run. ``caches`` restores downloads, which a job that
    publishes must never do: whoever can write a cache would write into what is published.
    """
    ci = site.config.ci
    steps = []
    if ci.egress is not Egress.NONE:
        inputs: dict[str, Value] = {"egress-policy": ci.egress.value}
        if ci.egress is Egress.BLOCK:
            inputs["allowed-endpoints"] = " ".join(ci.endpoints)  # its agent takes several lines for one endpoint
        steps.append(Step("Guard the runner", uses=site.pins.of("step-security/harden-runner"), inputs=inputs))
    checkout: dict[str, Value] = {"persist-credentials": False}
    if ref is not None:
        checkout["ref"] = ref
    if history:
        checkout["fetch-depth"] = 0
        if not blobs:
            checkout["filter"] = "blob:none"
    steps.append(Step("Check out", uses=site.pins.of("actions/checkout"), inputs=checkout, needs=(CHECKOUT,)))
    if not tool:
        return tuple(steps)
    python: dict[str, Value] = {"python-version": ci.python}
    steps.append(Step("Set up Python", uses=site.pins.of("actions/setup-python"), inputs=python))
    if caches:
        steps.append(_cache(site, "pip", "~/.cache/pip", "**/*.lock", "**/pyproject.toml"))
    if ci.install:
        steps.append(Step("Install release and nox", run=ci.install))
    return tuple(steps)


def on_main(site: Site) -> Expression:
    """Return the condition that the run is about the main branch: one that is started by hand can be about any."""
    return equal(context("github.ref"), f"refs/heads/{site.config.main}")


def none_failed(before: tuple[str, ...]) -> tuple[Expression, ...]:
    """Return the conditions that each of the jobs ``before`` succeeded or had nothing to do.

    They go with ``!cancelled()`` and not with ``always()``, which is true after a person has cancelled the run too.
    """
    ended = (context(f"needs.{id_}.result") for id_ in before)
    return tuple(either(equal(result, "success"), equal(result, "skipped")) for result in ended)


def toolchain(site: Site, *kinds: str, caches: bool = True, php: Expression | str = "8.3") -> tuple[Step, ...]:
    """Return the steps that set up what building and testing components of ``kinds`` takes, where the site has them.

    ``BUNDLE`` among them stands for the libraries of plugins.
    """
    steps: list[Step] = []
    if BUNDLE in kinds and not site.natives:
        kinds = tuple(kind for kind in kinds if kind != BUNDLE)
    if {"crate", BUNDLE} & set(kinds) and site.has("crate"):
        steps.append(Step("Set up Rust as rust-toolchain.toml says", run="rustup toolchain install"))
        if caches:
            steps.append(Step("Restore cargo's cache", uses=site.pins.of("Swatinem/rust-cache")))
    if "plugin" in kinds and site.has("plugin"):
        inputs: dict[str, Value] = {
            "php-version": str(php),
            "extensions": "ffi, intl, mbstring, xml, zip",
            "tools": "phpunit, composer",
            "coverage": "none",
            "ini-values": "max_input_vars=5000",  # Moodle's installer refuses less
        }
        steps.append(Step("Set up PHP", uses=site.pins.of("shivammathur/setup-php"), inputs=inputs))
    if "chart" in kinds and site.has("chart"):
        steps.append(helm(site))
    steps += [_own(site, number) for number, one in enumerate(site.config.ci.setup) if set(one.kinds) & set(kinds)]
    return tuple(steps)


def _own(site: Site, number: int) -> Step:
    """Return a step that ``release.yaml`` asks for."""
    setup, keys = site.config.ci.setup[number], ("ci", "setup", str(number))
    if bool(setup.run) == bool(setup.uses):
        raise site.error(f"the step {setup.name!r} needs either run or uses", "write one of them", *keys)
    if setup.run:
        return Step(setup.name, run=setup.run)
    try:
        pin = site.pins.of(setup.uses)
    except PinError as error:
        raise PinError(error.what, where=[site.place(*keys, "uses")], fix=error.fix) from None
    return Step(setup.name, uses=pin, inputs=setup.inputs)


def natives(site: Site) -> tuple[Step, ...]:
    """Return the steps that build the libraries of the plugin ``matrix.component`` as they are at ``matrix.tag``."""
    targets = sorted({target for found in site.natives.values() for target in found})
    if not targets:
        return ()
    add = Step("Add the targets of bundle.json to Rust", run=f"rustup target add {shlex.join(targets)}")
    build = release(
        site,
        "Build the libraries",
        'bundle build "$COMPONENT" --at "$TAG"',
        env={"COMPONENT": context("matrix.component"), "TAG": context("matrix.tag")},
    )
    return (add, build)


def helm(site: Site) -> Step:
    """Return the step that installs the Helm that rollouts use, or the action's own choice where there is none."""
    rollout = site.config.rollout
    inputs: dict[str, Value] = {"version": f"v{rollout.helm}"} if rollout is not None else {}
    return Step("Set up Helm", uses=site.pins.of("azure/setup-helm"), inputs=inputs)


def buildx(site: Site) -> tuple[Step, ...]:
    """Return the steps that make docker build for every platform; what they run comes from no cache."""
    return (
        Step("Set up QEMU", uses=site.pins.of("docker/setup-qemu-action"), inputs={"cache-image": False}),
        Step("Set up buildx", uses=site.pins.of("docker/setup-buildx-action"), inputs={"cache-binary": False}),
    )


def image_tools(site: Site) -> tuple[Step, ...]:
    """Return the steps that set up what images' libraries and programs are built with, for all platforms."""
    steps = list(toolchain(site, "crate", BUNDLE, caches=False))
    if site.has("crate"):
        kinds = [f"{one}-unknown-linux-{libc}" for one in ("aarch64", "x86_64") for libc in ("gnu", "musl")]
        targets = shlex.join(kinds)
        steps.append(Step("Add the targets of images to Rust", run=f"rustup target add {targets}"))
    return tuple(steps)


def registry_login(site: Site, registry: str, *secrets: Secret) -> Step:
    """Return the step that logs docker in: to GitHub's registry with the job's own token, to others with ``secrets``.

    These are the user and the password, in this order.
    """
    needs: tuple[Need, ...] = secrets or (Grant("packages", "write", "push the image"),)
    who = [context(f"secrets.{one.name}") for one in secrets] or [context("github.actor"), context("github.token")]
    inputs: dict[str, Value] = {"registry": registry, "username": who[0], "password": who[1]}
    return Step("Log in to the registry", uses=site.pins.of("docker/login-action"), inputs=inputs, needs=needs)


def chart_login(site: Site) -> tuple[Step, ...]:
    """Return the step that lets Helm pull charts from GitHub's registry, where they are published there."""
    names = site.config.publish.kinds.get("chart", ())
    places = [site.config.publish.destinations[name].options.get("repository", "") for name in names]
    if not any(place.removeprefix("oci://").startswith("ghcr.io/") for place in places):
        return ()
    login = registry_login(site, "ghcr.io")
    return (replace(login, needs=(Grant("packages", "read", "pull the chart"),)),)


def terraform(site: Site) -> Step:
    """Return the step that installs the one Terraform that plans are made and applied by."""
    assert site.config.terraform is not None
    inputs: dict[str, Value] = {"terraform_version": site.config.terraform.version, "terraform_wrapper": False}
    return Step("Set up Terraform", uses=site.pins.of("hashicorp/setup-terraform"), inputs=inputs)


def release(
    site: Site,
    name: str,
    command: str,
    *needs: Need,
    env: Mapping[str, Value] | None = None,
    id: str = "",  # noqa: A002 - the key's own name
    condition: Expression | None = None,
    signals: bool = False,
) -> Step:
    """Return the step that runs ``release COMMAND``; the job's token goes with it where ``needs`` has a grant.

    Where that is one for the repository's contents, git itself gets the token too. ``signals``: it must learn
    of a cancellation. GitHub signals the step's shell, which hands nothing on.
    """
    variables = dict(env or {})
    if any(isinstance(need, Grant) for need in needs):
        variables.setdefault("GITHUB_TOKEN", context("github.token"))
    if any(isinstance(need, Grant) and need.scope == "contents" for need in needs):
        variables |= GIT
    run = f"{'exec ' if signals else ''}{site.tool(f'release {command}')}"
    return Step(name, run=run, env=variables, needs=needs, id=id, condition=condition)


def nox(site: Site, name: str, session: str, *needs: Need, **env: Value) -> Step:
    """Return the step that runs a nox session; what it has to know is in the environment."""
    return Step(name, run=site.nox(session), env=env, needs=needs)


def login(site: Site, environment: str, purpose: Purpose, reason: str, *keys: str) -> tuple[Step, ...]:
    """Return the steps that get the identity of ``environment`` in each of its clouds; none has a long-lived secret."""
    found = site.environment(environment, *keys)
    steps = []
    if (aws := found.aws) is not None:
        inputs: dict[str, Value] = {
            "role-to-assume": aws.plan if purpose is Purpose.PLAN else aws.apply,
            "aws-region": aws.region,
        }
        steps.append(_login(site, "AWS", "aws-actions/configure-aws-credentials", inputs, purpose, reason))
    if (gcp := found.gcp) is not None:
        inputs = {
            "workload_identity_provider": gcp.provider,
            "service_account": gcp.plan if purpose is Purpose.PLAN else gcp.apply,
        }
        steps.append(_login(site, "GCP", "google-github-actions/auth", inputs, purpose, reason))
    if (azure := found.azure) is not None:
        inputs = {
            "client-id": azure.plan if purpose is Purpose.PLAN else azure.apply,
            "tenant-id": azure.tenant,
            "subscription-id": azure.subscription,
        }
        steps.append(_login(site, "Azure", "azure/login", inputs, purpose, reason))
    return tuple(steps)


def cluster(site: Site, environment: str, name: str, location: str) -> tuple[Step, ...]:
    """Return the steps that write a kubeconfig for the cluster ``name`` of the environment's cloud."""
    found = site.config.environments[environment]
    env: dict[str, Value] = {"CLUSTER": name, "LOCATION": location}
    if found.aws is not None:
        command = 'aws eks update-kubeconfig --name "$CLUSTER"'
        del env["LOCATION"]
    elif found.gcp is not None:
        inputs: dict[str, Value] = {"install_components": "gke-gcloud-auth-plugin"}
        setup = Step("Set up gcloud", uses=site.pins.of("google-github-actions/setup-gcloud"), inputs=inputs)
        command = 'gcloud container clusters get-credentials "$CLUSTER" --location "$LOCATION"'
        return (setup, Step("Write the kubeconfig", run=command, env=env))
    else:
        command = 'az aks get-credentials --name "$CLUSTER" --resource-group "$LOCATION"'
    return (Step("Write the kubeconfig", run=command, env=env),)


def summary(job_name: Value, again: str) -> Step:
    """Return the last step of every job: what people read, and how to do the same at home."""
    return Step(
        "Write the summary",
        run='printf \'### %s: %s\\n\\n%s\\n\' "$JOB" "$STATUS" "$AGAIN" >> "$GITHUB_STEP_SUMMARY"',
        env={"JOB": job_name, "STATUS": context("job.status"), "AGAIN": again},
        condition=always(),
    )


def _login(site: Site, cloud: str, action: str, inputs: Mapping[str, Value], purpose: Purpose, reason: str) -> Step:
    identity = Identity(cloud.lower(), purpose, reason)
    return Step(f"Log in to {cloud}", uses=site.pins.of(action), inputs=inputs, needs=(identity,))


def _cache(site: Site, name: str, path: str, *files: str) -> Step:
    hashed = call("hashFiles", *(literal(file) for file in files))
    inputs: dict[str, Value] = {"path": path, "key": Template.of(f"{name}-", context("runner.os"), "-", hashed)}
    return Step(f"Restore {name}'s cache", uses=site.pins.of("actions/cache"), inputs=inputs)
