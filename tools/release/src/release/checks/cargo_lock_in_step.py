"""``cargo-lock-in-step``: each ``Cargo.lock`` has this repository's crates at their manifests' versions."""

from __future__ import annotations

from collections.abc import Iterator

from release.checks.rule import Context, Finding, Rule
from release.errors import Place
from release.formats import cargo_lock, cargo_toml
from release.workspace.kinds.crate import holding_locks

__all__ = ["RULE"]

_ID = "cargo-lock-in-step"


def _check(context: Context) -> Iterator[Finding]:
    """Yield a finding for each locked crate that is out of step, which ``cargo build --locked`` refuses."""
    for component in context.components.values():
        if component.kind != "crate" or component.version is None:
            continue
        manifest = cargo_toml.parse(context.tree.read(component.manifest), component.manifest)
        for path in holding_locks(context.tree, manifest):
            lock = cargo_lock.parse(context.tree.read(path), path)
            package = lock.local(manifest.name or "", str(component.version))
            if package is not None and package.version != str(component.version):
                token = lock.token(package)
                yield Finding(
                    _ID,
                    f"{path} has {component.name} at {package.version}, its manifest at {component.version}",
                    Place(path, token.line, token.column),
                    f"run cargo update --offline --package {manifest.name}",
                    component.name,
                )


RULE = Rule(_ID, "lock files have the versions of the manifests", _check)
