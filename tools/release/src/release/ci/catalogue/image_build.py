"""Job ``image-build``: every affected image is built for each platform, and nothing is pushed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from release.ci.change import Change
from release.ci.expression import Template, context
from release.ci.matrix import MOST_CELLS, Group, shards
from release.ci.part import Part
from release.ci.site import Site
from release.ci.steps import buildx, image_tools, opening, release
from release.ci.workflow import Cell, Job
from release.errors import WorkspaceError
from release.workspace.config import CONFIG

__all__ = ["IMAGE_BUILD"]


def _jobs(site: Site) -> Sequence[Job]:
    if not site.images:
        return ()
    if len(site.images) > MOST_CELLS:
        raise WorkspaceError(
            f"there are {len(site.images)} images, but a matrix can build {MOST_CELLS} at most",
            where=[site.components[name].declared for name in list(site.images)[MOST_CELLS:]][:3],
            fix=f"leave `image-build` and `images` out (`ci.without` in {CONFIG}) for a workflow of your own",
        )
    # By release itself, which builds an image's base first: nothing of this change is in a registry yet.
    build = release(
        site,
        "Build",
        'image build "$NAME" --platform "$PLATFORM"',
        env={"NAME": context("matrix.components"), "PLATFORM": context("matrix.platform")},
    )
    return (
        Job(
            id="image-build",
            name=Template.of("build image: ", context("matrix.name")),
            why="Builds each affected image for each platform; nothing is pushed, so a fork's change is built too.",
            runner=site.config.ci.runner,
            minutes=60,
            steps=(
                *opening(site, history=True),
                *image_tools(site),
                *buildx(site),
                build,
            ),
            axes=("name", "components", "platform"),
            select=_select(site),
            again=site.tool("release image build NAME"),
        ),
    )


def _select(site: Site) -> Callable[[Change], Sequence[Cell]]:
    def select(change: Change) -> Sequence[Cell]:
        names, platforms = change.names("image"), site.config.ci.platforms
        if len(names) * len(platforms) > MOST_CELLS:
            platforms = (",".join(platforms),)
        return shards([Group({"platform": platform}, (name,), platform) for name in names for platform in platforms])

    return select


IMAGE_BUILD = Part("image-build", "ci", "Builds the images that a change affects.", _jobs)
