"""Pins the images that a chart runs by digest, and refuses a rollout in which one isn't pinned."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from release.errors import RolloutRefused
from release.rollout import manifests

__all__ = ["Pin", "parse_pin", "pinned_values", "refuse_unpinned", "unpinned"]

_PIN = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.-]*)=(?P<repository>[a-z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*?)"
    r"(?::\w[\w.-]{0,127})?@(?P<digest>sha256:[0-9a-f]{64})",
    re.ASCII,
)
_DIGEST = re.compile(r".+@sha256:[0-9a-f]{64}")
_FIX = "write --image NAME=REPOSITORY@sha256:DIGEST, as `docker buildx imagetools inspect` prints it"


@dataclass(frozen=True, slots=True)
class Pin:
    """The image that a name stands for, by digest."""

    name: str
    repository: str
    digest: str

    @property
    def reference(self) -> str:
        """Return REPOSITORY@DIGEST."""
        return f"{self.repository}@{self.digest}"


def parse_pin(text: str) -> Pin:
    """Return ``NAME=REPOSITORY[:TAG]@sha256:DIGEST`` read; the tag says nothing beside a digest and is left out.

    Raises:
        RolloutRefused: it is not that, above all has no digest.
    """
    found = _PIN.fullmatch(text)
    if found is None:
        raise RolloutRefused(f"the image {text!r} is not pinned by digest", fix=_FIX)
    return Pin(found["name"], found["repository"], found["digest"])


def pinned_values(values: str, pins: Iterable[Pin]) -> dict[str, Any]:
    """Return the values that set ``pins`` in a chart whose ``values.yaml`` is ``values``.

    An image is known by its repository or, as another registry holds the same image, by its last segment, which is the
    pin's name or the last segment of the pin's repository. Two forms are known: a mapping with ``repository`` (beside
    which ``digest`` is set), and a string ``image``.

    Raises:
        RolloutRefused: the values name no such image.
    """
    try:
        tree = yaml.safe_load(values)
    except yaml.YAMLError as error:
        what = f"the chart's values are not YAML: {str(error).splitlines()[0]}"
        raise RolloutRefused(what, fix="mend its values.yaml") from None
    out: dict[str, Any] = {}
    for pin in pins:
        places = list(_places(tree, pin, ()))
        if not places:
            raise RolloutRefused(
                f"the chart's values name no image {pin.name}",
                fix=f"use the last segment of a repository that its values.yaml has; {pin.repository} is none",
            )
        for path, setting in places:
            _set(out, path, setting)
    return out


def unpinned(manifest: str) -> list[str]:
    """Return the images of ``manifest`` that are not pinned by digest."""
    return [image for image in manifests.images(manifest) if not _DIGEST.fullmatch(image)]


def refuse_unpinned(manifest: str, pins: Iterable[Pin], stage: str) -> None:
    """Refuse a manifest that runs an image by tag, or does not run a pinned one.

    Raises:
        RolloutRefused: naming the images.
    """
    loose = unpinned(manifest)
    if loose:
        raise RolloutRefused(
            f"{stage}: the chart runs images that are not pinned by digest: {', '.join(loose)}", fix=_FIX
        )
    run = manifests.images(manifest)
    for pin in pins:
        if not any(_is(image, pin) for image in run):
            raise RolloutRefused(
                f"{stage}: the chart does not run {pin.reference}, though its values were set to it",
                fix="its templates must use `digest`, or the string `image`, of the values",
            )


def _is(image: str, pin: Pin) -> bool:
    repository, _, digest = image.partition("@")
    return digest == pin.digest and re.sub(r":[^:/]+$", "", repository) == pin.repository


def _places(node: Any, pin: Pin, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(node, Mapping):
        repository, image = node.get("repository"), node.get("image")
        if isinstance(repository, str) and _meant(repository, pin):
            registry = {"registry": ""} if "registry" in node else {}
            yield path, {"repository": pin.repository, "digest": pin.digest, **registry}
        if isinstance(image, str) and _meant(image, pin):
            yield path, {"image": pin.reference}
        for key, value in node.items():
            yield from _places(value, pin, (*path, str(key)))


def _meant(reference: str, pin: Pin) -> bool:
    repository = re.sub(r"(:[^:/]+)?(@.*)?$", "", reference)
    return repository == pin.repository or repository.rpartition("/")[2] in (
        pin.name,
        pin.repository.rpartition("/")[2],
    )


def _set(out: dict[str, Any], path: tuple[str, ...], setting: Mapping[str, Any]) -> None:
    for key in path:
        out = out.setdefault(key, {})
    out.update(setting)
