"""Workflow ``images``: images that main changed, pushed by digest, proven, and only then tagged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from release.ci.change import Change
from release.ci.expression import Expression, Template, context
from release.ci.matrix import Group, shards
from release.ci.part import Frame, Part
from release.ci.site import Image, Site
from release.ci.steps import buildx, image_tools, on_main, opening, registry_login, release
from release.ci.workflow import Cell, Concurrency, Job, Need, Step, Trigger, Value
from release.publish.destination import Grant

__all__ = ["GHCR", "IMAGES", "proven", "verified"]

GHCR = "ghcr.io"
"""GitHub's registry, which takes the job's own token."""

_AS_THIS_WORKFLOW = '--identity "$IDENTITY"'
_IDENTITY: Mapping[str, Value] = {
    "IDENTITY": Template.of(r"^\Q", context("github.server_url"), "/", context("github.workflow_ref"), r"\E$")
}
"""What Fulcio writes into the certificate of a job, as a regular expression of Go.

Source: https://docs.sigstore.dev/certificate_authority/oidc-in-fulcio/#github
"""


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
            "DIGEST": context("steps.push.outputs.digest"),
        },
    )
    read = Grant("packages", "read", "read the image and what lies beside it")
    write = Grant("packages", "write", "push the image")
    return (
        Job(
            id="image",
            name=Template.of("image: ", context("matrix.name")),
            why="Builds, scans, signs and tries each image that this push changed, then moves the tag of main to it.",
            runner=site.config.ci.runner,
            minutes=120,
            steps=(
                *opening(site, history=True),
                *proven(site, context("matrix.components"), context("matrix.repository"), login, write),
                tag,
                verified(site, Template.of(context("matrix.repository"), ":", _tag(site.config.main)), read),
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


def proven(site: Site, name: Expression, repository: Expression, login: Step, *needs: Need) -> tuple[Step, ...]:
    """Return the steps from the image component ``name`` to a digest: built, pushed, signed, verified, scanned, tried.

    ``login`` lets docker push there, ``needs`` lets `release`. What the image is built on is built before it, from
    the same commit.

    Nothing has a tag before all of that is done. The step ``push`` has the output ``digest``.
    """
    image = Template.of(repository, "@", context("steps.push.outputs.digest"))
    scan = site.config.ci.scan
    platforms = ",".join(site.config.ci.platforms)
    return (
        *image_tools(site),
        *buildx(site),
        Step("Set up syft", uses=site.pins.of("anchore/sbom-action/download-syft")),
        Step("Set up cosign", uses=site.pins.of("sigstore/cosign-installer")),
        release(
            site, "Build", 'image build "$NAME" --platform "$PLATFORMS"', env={"NAME": name, "PLATFORMS": platforms}
        ),
        login,
        release(
            site,
            "Push by digest and sign",
            f'image push "$NAME" --to "$REPOSITORY" --no-tag --github {_AS_THIS_WORKFLOW}',
            Grant("id-token", "write", "sign as this workflow, without a key"),
            *needs,
            env={"NAME": name, "REPOSITORY": repository, **_IDENTITY},
            id="push",
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
        _try(site, name, image),
    )


def verified(site: Site, reference: Template, *needs: Need) -> Step:
    """Return the last step of an image: its tag leads to what this very workflow signed."""
    return release(
        site,
        "Verify what the tag leads to",
        f'image verify "$IMAGE" {_AS_THIS_WORKFLOW}',
        *needs,
        env={"IMAGE": reference, **_IDENTITY},
    )


def _try(site: Site, name: Expression, image: Template) -> Step:
    """Return the step that tries the pushed digest: the session for images, else what is asked of any image."""
    session = site.test("image")
    if session is not None:
        return Step("Try the pushed digest", run=site.nox(session), env={"COMPONENTS": name, "IMAGE": image})
    return release(
        site, "Try the pushed digest", 'image test "$NAME" --image "$IMAGE"', env={"NAME": name, "IMAGE": image}
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
