"""``oci-version``: what is pushed to an OCI registry has a version that can be its tag."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule

__all__ = ["RULE"]

_ID = "oci-version"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each image and chart whose version has build metadata: a tag has no ``+``."""
    for component in context.components.values():
        version = component.version
        if component.kind in ("image", "chart") and version is not None and version.build is not None:
            yield Finding(
                _ID,
                f"{component.name} has the version {version}, which no OCI tag can hold",
                component.declared,
                f"write {version.replace(build=None)}",
                component.name,
            )


RULE = Rule(_ID, "versions of images and charts have no build metadata", _check)
