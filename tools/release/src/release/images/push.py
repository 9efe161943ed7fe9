"""Push an image's layout to a registry by digest, with nothing but what was built, and then let a tag lead to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from release.errors import DestinationDiffers
from release.images.layout import INDEX, MANIFEST, Layout
from release.publish.registry import OciRepository

__all__ = ["refuse_other", "tag", "upload"]


def upload(layout: Layout, repository: OciRepository, progress: Callable[[str, int, int], None]) -> str:
    """Upload everything in ``layout`` that ``repository`` doesn't have; return the digest that a tag may lead to."""
    top, media_type = layout.top
    manifests = layout.read(top)["manifests"] if media_type == INDEX else []
    images = [entry["digest"] for entry in manifests] or [top]
    blobs = list(dict.fromkeys(blob for image in images for blob in _blobs(layout.read(image))))
    for number, blob in enumerate(blobs):
        progress(f"push: {blob[:19]}", number, len(blobs))
        if repository.blob(blob) is None:
            repository.put_blob(layout.blob(blob), blob)
    for image in dict.fromkeys((*images, top)):
        content = layout.blob(image).read_bytes()
        repository.put_manifest(image, content, layout.read(image).get("mediaType", MANIFEST))
    return top


def _blobs(manifest: Any) -> list[str]:
    return [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"] or ())]


def refuse_other(layout: Layout, repository: OciRepository, address: str, name: str) -> None:
    """Refuse when the tag ``name`` leads to other images: a version, once pushed, stays what it is.

    Raises:
        DestinationDiffers: it does.
    """
    found = repository.manifest(name)
    if found is None:
        return
    import json

    there = json.loads(found[0])
    theirs = {entry["digest"] for entry in there.get("manifests", ()) if _is_image(entry)}
    ours = {one.digest for one in layout.platforms()}
    if theirs != ours:
        raise DestinationDiffers(
            f"{address}:{name} is there already, with other images: {', '.join(sorted(theirs)) or 'no index'}",
            fix="bump the version; a version that was pushed isn't overwritten",
        )


def _is_image(entry: Any) -> bool:
    return bool((entry.get("platform") or {}).get("os") != "unknown")


def tag(layout: Layout, repository: OciRepository, name: str) -> None:
    """Let the tag ``name`` lead to what was uploaded."""
    top, media_type = layout.top
    repository.put_manifest(name, layout.blob(top).read_bytes(), media_type)
