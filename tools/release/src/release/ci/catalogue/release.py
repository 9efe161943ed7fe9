"""Workflow ``release``: one release pull request; merging it tags, and each tag publishes its component."""

from __future__ import annotations

import re
from collections.abc import Sequence

from release.ci.catalogue.images import proven, verified
from release.ci.expression import Template, both, cancelled, context, equal, negated, unequal
from release.ci.part import Frame, Part
from release.ci.site import Site
from release.ci.steps import BOT, BUNDLE, natives, none_failed, on_main, opening, registry_login, release, toolchain
from release.ci.workflow import Concurrency, Job, Need, Secret, Step, Trigger, Value
from release.errors import ConfigError
from release.publish.destination import Grant
from release.publish.destinations import DESTINATIONS
from release.publish.settings import check_publish
from release.workspace.delivery import Destination
from release.workspace.kinds import KINDS

__all__ = ["RELEASE"]

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_PARTS_FIRST = ("crate", "python", "plugin")
_ORDER = (*_PARTS_FIRST, *(kind for kind in KINDS if kind not in _PARTS_FIRST))


def _jobs(site: Site) -> Sequence[Job]:
    published = _published(site)
    charts = tuple(job.id for job in published if job.id.startswith("publish-chart-"))
    started = _started(site, charts)
    return (_propose(site), _tag(site), *published, *((started,) if started is not None else ()))


def _propose(site: Site) -> Job:
    propose = release(
        site,
        "Open or update the release pull request",
        "bump --pull-request --check ci.yml",
        Grant("contents", "write", "push the branch of the release pull request"),
        Grant("pull-requests", "write", "open or update the release pull request"),
        Grant("actions", "write", "start the checks of a branch that GITHUB_TOKEN pushed"),
        env=BOT,
    )
    return Job(
        id="propose",
        name="propose",
        why="Keeps one pull request that shows the next release; nothing is released before a person merges it.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        condition=equal(context("github.event_name"), "push"),
        concurrency=Concurrency("release-propose"),
        steps=(*opening(site, history=True, blobs=True), propose),
        again=site.tool("release bump --dry-run"),
    )


def _tag(site: Site) -> Job:
    tag = release(
        site,
        "Tag what was merged",
        "tag --restore --push --github",
        Grant("contents", "write", "push the tags of a merged release"),
        env=BOT,
        id="tag",
    )
    kinds = [kind for kind in _ORDER if site.config.publish.kinds.get(kind)]
    return Job(
        id="tag",
        name="tag",
        why="Makes the tags of a release that was merged; says what is to be published.",
        runner=site.config.ci.runner,
        minutes=site.config.ci.timeout,
        condition=on_main(site),
        concurrency=Concurrency("release-tag", queued=True),
        steps=(*opening(site, history=True, blobs=True), tag),
        outputs={"tags": context("steps.tag.outputs.tags")}
        | {kind: context(f"steps.tag.outputs.{kind}") for kind in kinds},
        again=site.tool("release tag --restore --dry-run"),
    )


def _published(site: Site) -> Sequence[Job]:
    check_publish(site.config.publish, site.content, DESTINATIONS)
    jobs: list[Job] = []
    for kind in filter(site.has, _ORDER):
        before = tuple(job.id for job in jobs)
        names = site.config.publish.kinds.get(kind, ())
        for number, name in enumerate(names):
            place = ("publish", "kinds", kind, str(number))
            if name in names[:number]:
                raise site.error(f"{name!r} is there twice", "remove one of them", *place)
            if not _NAME.fullmatch(name):
                fix = "call it by letters, digits, - and _: it becomes a part of a job's id"
                raise site.error(f"the destination {name!r} can't be a part of a job's id", fix, *place)
        jobs += [_publish(site, kind, name, site.config.publish.destinations[name], before) for name in names]
    return jobs


def _publish(site: Site, kind: str, name: str, destination: Destination, before: tuple[str, ...]) -> Job:
    keys = ("publish", "destinations", name)
    if destination.environment is not None:
        site.environment(destination.environment, *keys, "environment")
    access = DESTINATIONS[destination.to].access(destination.options)
    trusted = access.trusted
    secrets = [Secret(secret, reason) for secret, reason in access.secrets.items()]
    if secrets and destination.environment is None:
        raise _needs_environment(site, name, secrets)
    if kind == "image" and destination.to != "oci":
        place = str(site.config.publish.kinds[kind].index(name))
        fix = "name a destination `to: oci`; what an image holds can be published as a component of its own"
        raise site.error(f"images can't be published to {name!r}", fix, "publish", "kinds", kind, place)
    files = kind != "image"
    env: dict[str, Value] = {"TAG": context("matrix.tag"), "DESTINATION": name}
    command = 'publish "$TAG" --to "$DESTINATION"'
    steps: list[Step] = [
        # An image is made from the work tree: what was released, not what was pushed after it.
        *opening(site, history=True, blobs=True, ref=None if files else context("matrix.commit")),
        *toolchain(site, kind, *((BUNDLE,) if kind == "plugin" else ()), caches=False),
        *(natives(site) if kind == "plugin" else ()),
    ]
    if files and site.config.publish.kinds[kind][0] == name:
        steps += _attested(site)
    if not files:
        registry = destination.options["repository"].removeprefix("oci://").partition("/")[0]
        login = registry_login(site, registry, *secrets)
        needs: tuple[Need, ...] = (*access.grants, *secrets)
        steps += proven(site, context("matrix.component"), context("matrix.repository"), login, *needs)
        env["DIGEST"] = Template.of(context("matrix.component"), "=", context("steps.push.outputs.digest"))
        command += ' --digest "$DIGEST"'
    if trusted is not None:
        steps.append(
            Step(
                "Get a short-lived token",
                id="trusted",
                uses=site.pins.of(trusted.action),
                needs=(Grant("id-token", "write", trusted.reason),),
            )
        )
        env[trusted.variable] = context(f"steps.trusted.outputs.{trusted.output}")
    steps.append(release(site, f"Publish to {name}", command, *access.grants, *secrets, env=env))
    if not files:
        image = Template.of(context("matrix.repository"), ":", context("matrix.version"))
        steps.append(verified(site, image, *access.grants, *secrets))
    return Job(
        id=f"publish-{kind}-{name}",
        name=Template.of(f"publish to {name}: ", context("matrix.tag")),
        why=f"Publishes each released {kind} to {name}; what is there already is left as it is.",
        runner=site.config.ci.runner,
        minutes=120,
        after=("tag", *before),
        condition=both(
            negated(cancelled()),
            equal(context("needs.tag.result"), "success"),
            unequal(context(f"needs.tag.outputs.{kind}"), "[]"),
            *none_failed(before),
        ),
        environment=destination.environment,
        concurrency=Concurrency(Template.of(f"publish-{name}-", context("matrix.tag")), queued=True),
        axes=("tag", "component"),
        matrix_from=context(f"needs.tag.outputs.{kind}"),
        # A crate can only be published after those that it needs: the matrix has parts before wholes.
        most_parallel=1,
        steps=tuple(steps),
        again=site.tool(f"release publish TAG --to {name} --dry-run"),
    )


def _attested(site: Site) -> tuple[Step, ...]:
    """Return the steps that make the package and attest where it comes from; publishing makes the same bytes again."""
    return (
        release(
            site,
            "Package",
            'package "$COMPONENT" --at "$TAG" --out dist',
            env={"COMPONENT": context("matrix.component"), "TAG": context("matrix.tag")},
        ),
        Step(
            "Attest the provenance",
            uses=site.pins.of("actions/attest"),
            inputs={"subject-path": "dist/*"},
            needs=(
                Grant("attestations", "write", "store the attestation"),
                Grant("id-token", "write", "sign as this workflow, without a key"),
            ),
        ),
    )


def _started(site: Site, before: tuple[str, ...]) -> Job | None:
    """Return the job that starts the rollout of a released chart: a tag that GITHUB_TOKEN pushed starts nothing."""
    rollout = site.config.rollout
    if rollout is None or not before or "helm-rollout" in site.config.ci.without:
        return None
    names = site.config.publish.kinds["chart"]
    found = [site.config.publish.destinations[name] for name in names]
    below = next((one.options["repository"] for one in found if one.to == "oci" and "repository" in one.options), None)
    if below is None:
        return None
    start = Step(
        "Start the rollout",
        run='gh workflow run helm-rollout.yml --field chart="$CHART" --field version="$VERSION"',
        env={
            "GH_TOKEN": context("github.token"),
            "CHART": f"oci://{below}/{site.components[rollout.chart].native}",
            "VERSION": context("matrix.version"),
        },
        condition=equal(context("matrix.component"), rollout.chart),
        needs=(Grant("actions", "write", "start the workflow helm-rollout"),),
    )
    return Job(
        id="start-rollout",
        name="start-rollout",
        why="Starts the rollout of a chart that was released.",
        runner=site.config.ci.runner,
        minutes=15,
        after=("tag", *before),
        # Said in full: without a condition GitHub skips a job when any job up the chain was skipped, such as that of a
        # kind with nothing to publish.
        condition=both(
            negated(cancelled()), *(equal(context(f"needs.{id_}.result"), "success") for id_ in ("tag", *before))
        ),
        steps=(*opening(site, tool=False), start),
        axes=("tag", "component", "version"),
        matrix_from=context("needs.tag.outputs.chart"),
    )


def _needs_environment(site: Site, name: str, secrets: Sequence[Secret]) -> ConfigError:
    named = ", ".join(secret.name for secret in secrets)
    return site.error(
        f"the destination {name!r} reads {named}, but has no environment to read it from",
        "write `environment:` with one of `environments`, and put the secret into that environment on GitHub",
        "publish", "destinations", name,
    )  # fmt: skip


def _frame(site: Site) -> Frame:
    return Frame(
        name="release",
        why="Proposes releases, tags what was merged, and publishes it.",
        triggers=(
            Trigger("push", {"branches": (site.config.main,)}),
            Trigger("workflow_dispatch"),
        ),
        # A publishing job may wait for a reviewer: it must not hold up the runs of later pushes.
        concurrency=Concurrency(Template.of("release-", context("github.run_id"))),
    )


RELEASE = Part("release", "release", "Proposes releases, tags what was merged, and publishes it.", _jobs, _frame)
