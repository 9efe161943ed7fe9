"""Labels and annotations: what an image says of itself, without a time or a place of its build.

Source: https://github.com/opencontainers/image-spec/blob/main/annotations.md#pre-defined-annotation-keys
"""

from __future__ import annotations

from datetime import UTC, datetime

from release.images.lock import Inputs

__all__ = ["HERE", "PART", "REVISION", "labels"]

_OCI = "org.opencontainers.image"
REVISION = f"{_OCI}.revision"
"""The commit that an image was built from."""
HERE = "localhost"
"""The registry of images that are in this machine's engine alone: nobody else can push there what is built upon."""
PART = "release.component"
"""Begins the labels of what is in the image: ``release.component.<kind>.<name>.version`` and ``.digest``."""


def labels(inputs: Inputs, source: str | None) -> dict[str, str]:
    """Return the labels of an image of ``inputs``; ``source`` is the address of the repository.

    They are the same in every clone: a base that is only here is named without the folder. An image for several
    platforms has no digest of such a base, which has one for each.
    """
    base, _, digest = inputs.base.image.partition("@")
    if base.startswith(f"{HERE}/"):
        base = f"{HERE}/{base.rpartition('/')[2]}"
    if len(inputs.platforms) == 1:
        digest = digest or inputs.base.digest
    found = {
        f"{_OCI}.title": inputs.name,
        f"{_OCI}.version": inputs.version,
        REVISION: inputs.commit,
        f"{_OCI}.created": datetime.fromtimestamp(inputs.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        f"{_OCI}.base.name": base,
    }
    if digest:
        found[f"{_OCI}.base.digest"] = digest
    if source is not None:
        found[f"{_OCI}.source"] = source
    if inputs.moodle is not None:
        found[f"{PART}.moodle.version"] = inputs.moodle.version
        found[f"{PART}.moodle.digest"] = inputs.moodle.digest
    for part in inputs.parts:
        found[f"{PART}.{part.kind}.{part.name}.version"] = part.version
        found[f"{PART}.{part.kind}.{part.name}.digest"] = part.digest
    return dict(sorted(found.items()))
