"""Workflow ``images``: images that main changed, pushed by digest, proven, and only then tagged."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from release.ci.change import Change
from release.ci.expression import Expression, Template, context
from release.ci.matrix import Group, shards
from release.ci.part import Frame, Part
from release.ci.site import Image, Site
from release.ci.steps import CONTEXT, buildx, image_context, on_main, opening, registry_login
from release.ci.workflow import Cell, Concurrency, Job, Step, Trigger
from release.publish.destination import Grant

__all__ = ["GHCR", "IMAGES", "proven"]

GHCR = "ghcr.io"
"""GitHub's registry, which takes the job's own token."""

_BY_DIGEST = "type=image,push-by-digest=true,name-canonical=true,push=true,rewrite-timestamp=true"


def _jobs(site: Site) -> Sequence[Job]:
    if not _pushed(site):
        return ()
    login = registry_login(site, GHCR)
    tag = Step(
        "Point the tag of main at the digest",
        run='docker buildx imagetools create --tag "$REPOSITORY:$TAG" "$REPOSITORY@$DIGEST"',
        env={
            "REPOSITORY": context("matrix.repository"),
            "TAG": _tag(site.config.main),
            "DIGEST": context("steps.build.outputs.digest"),
        },
    )
    return (
        Job(
            id="image",
            name=Template.of("image: ", context("matrix.name")),
            why="Builds, scans, signs and tries each image that this push changed, then moves the tag of main to it.",
            runner=site.config.ci.runner,
            minutes=120,
            steps=(
                *opening(site, history=True),
                *proven(site, context("matrix.components"), context("matrix.repository"), login),
                tag,
            ),
            axes=("name", "components", "repository"),
            condition=on_main(site),
            select=_select(site),
        ),
    )


def _pushed(site: Site) -> tuple[Image, ...]:
    """Return the images of GitHub's own registry; any other wants a secret, which is for releases alone."""
    return tuple(image for image in site.pushed if (image.repository or "").startswith(f"{GHCR}/"))


def _tag(branch: str) -> str:
    """Return the tag of what ``branch`` leads to: its name where that can be one, as ``trunk-next`` for ``trunk/next``.

    Source: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pulling-manifests
    """
    return re.sub(r"^[^A-Za-z0-9_]|[^A-Za-z0-9_.-]", "-", branch).lstrip("-")[:128] or "main"


def proven(site: Site, name: Expression, repository: Expression, login: Step) -> tuple[Step, ...]:
    """Return the steps from the image component ``name`` to a digest: pushed, signed, attested, scanned, tried.

    ``login`` lets docker push there.

    Nothing has a tag before all of that is done. The step ``build`` has the output ``digest``.
    """
    digest = context("steps.build.outputs.digest")
    image = Template.of(repository, "@", digest)
    scan = site.config.ci.scan
    platforms = ",".join(site.config.ci.platforms)
    return (
        *image_context(site, name, platforms),
        *buildx(site),
        login,
        Step(
            "Build and push by digest",
            id="build",
            uses=site.pins.of("docker/build-push-action"),
            inputs={
                "context": CONTEXT,
                "build-args": context("steps.context.outputs.build-args"),
                "labels": context("steps.context.outputs.labels"),
                "platforms": platforms,
                "outputs": Template.of(f"{_BY_DIGEST},name=", repository),
                "provenance": "mode=max",
                "sbom": True,
            },
        ),
        Step(
            "Scan for vulnerabilities",
            uses=site.pins.of("aquasecurity/trivy-action"),
            inputs={
                "image-ref": image,
                "severity": ",".join(one.value for one in scan.severity),
                "ignore-unfixed": scan.ignore_unfixed,
                "exit-code": "1",
                "cache": False,  # Trivy itself and its database would come from it
                "version": scan.trivy,
            },
        ),
        Step(
            "Write the bill of materials",
            uses=site.pins.of("anchore/sbom-action"),
            inputs={
                "image": image,
                "format": "spdx-json",
                "output-file": "sbom.spdx.json",
                "upload-artifact": False,
                "upload-release-assets": False,
            },
        ),
        Step("Set up cosign", uses=site.pins.of("sigstore/cosign-installer")),
        Step(
            "Sign",
            run='cosign sign --yes "$IMAGE"',
            env={"IMAGE": image},
            needs=(Grant("id-token", "write", "sign as this workflow, without a key"),),
        ),
        *(
            Step(
                title,
                uses=site.pins.of("actions/attest"),
                inputs={
                    "subject-name": repository,
                    "subject-digest": digest,
                    "push-to-registry": True,
                    "create-storage-record": False,
                    **({"sbom-path": "sbom.spdx.json"} if bill else {}),
                },
                needs=(
                    Grant("attestations", "write", "store the attestation"),
                    Grant("id-token", "write", "sign as this workflow, without a key"),
                ),
            )
            for title, bill in (("Attest the provenance", False), ("Attest the bill of materials", True))
        ),
        _smoke(site, image),
    )


def _smoke(site: Site, image: Template) -> Step:
    """Return the step that tries the pushed digest: the session for images, else that the container stays up."""
    session = site.test("image")
    if session is not None:
        return Step("Try the pushed digest", run=site.nox(session), env={"IMAGE": image})
    return Step(
        "Try the pushed digest",
        run=(
            'container="$(docker run --detach --pull always "$IMAGE")"\n'
            "sleep 15\n"
            'docker logs "$container"\n'
            'test "$(docker inspect --format "{{.State.ExitCode}}" "$container")" = 0\n'
            'docker rm --force "$container"\n'
        ),
        env={"IMAGE": image},
    )


def _select(site: Site) -> Callable[[Change], Sequence[Cell]]:
    def select(change: Change) -> Sequence[Cell]:
        affected = [image for image in _pushed(site) if image.name in change.components]
        return shards([Group({"repository": one.repository or ""}, (one.name,)) for one in affected])

    return select


def _frame(site: Site) -> Frame:
    return Frame(
        name="images",
        why="Pushes the images that main changed: by digest, proven, then tagged.",
        triggers=(Trigger("push", {"branches": (site.config.main,)}), Trigger("workflow_dispatch")),
        concurrency=Concurrency("images", queued=True),
    )


IMAGES = Part("images", "images", "Pushes the images that main changed.", _jobs, _frame)
