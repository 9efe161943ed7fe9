"""The images that the services run: pulled if they are not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from release.errors import StackFailed
from release.stack.model import Stack

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["missing", "pull"]


def missing(client: DockerClient, stack: Stack) -> tuple[str, ...]:
    """Return the images of the stack that this machine does not have, sorted."""
    from docker.errors import ImageNotFound

    found = []
    for image in sorted({service.image for service in stack.services.values()}):
        try:
            client.images.get(image)
        except ImageNotFound:
            found.append(image)
    return tuple(found)


def pull(client: DockerClient, image: str, progress: Callable[[str, int, int], None]) -> None:
    """Fetch an image from its registry; ``progress`` is told the bytes.

    Raises:
        StackFailed: the registry can't be reached or does not have it.
    """
    from docker.errors import APIError, DockerException

    done: dict[str, tuple[int, int]] = {}
    refused = ""
    try:
        for line in client.api.pull(image, stream=True, decode=True):
            refused = line.get("error", refused)
            detail = line.get("progressDetail") or {}
            if detail.get("total"):
                done[line["id"]] = (detail["current"], detail["total"])
                progress(f"pulling {image}", *map(sum, zip(*done.values(), strict=True)))
    except DockerException as error:
        refused = str(error.explanation if isinstance(error, APIError) else error)
    if refused:
        raise StackFailed(
            f"the image {image} can't be had: {refused}",
            fix="name one that this machine has, by --images FILE or stack.images in release.yaml (docs/stack.md)",
        )
