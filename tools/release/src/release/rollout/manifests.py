"""What a rendered manifest holds: resources, workloads, images; and how two manifests differ."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import yaml

from release.rollout.target import StepFailed

__all__ = ["differences", "images", "resources", "workloads"]

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORKLOADS = {"Deployment": "deployment", "StatefulSet": "statefulset", "DaemonSet": "daemonset"}
_HIDDEN = "(hidden)"
_CHANGED = "(hidden, changed)"


def resources(manifest: str) -> list[dict[str, Any]]:
    """Return the resources of ``manifest``, those inside lists too.

    Raises:
        StepFailed: it is not YAML.
    """
    try:
        documents = list(yaml.load_all(manifest, _LOADER))
    except yaml.YAMLError as error:
        raise StepFailed(f"the manifest is not YAML: {str(error).splitlines()[0]}") from None
    found: list[dict[str, Any]] = []
    for document in documents:
        if isinstance(document, dict):
            found += document.get("items") or [] if document.get("kind") == "List" else [document]
    return found


def workloads(manifest: str, namespace: str) -> Iterator[tuple[str, str, str]]:
    """Yield kind, name and namespace of what ``kubectl rollout status`` can wait for."""
    for one in resources(manifest):
        kind = _WORKLOADS.get(one.get("kind", ""))
        on_delete = ((one.get("spec") or {}).get("updateStrategy") or {}).get("type") == "OnDelete"
        if kind is not None and not on_delete:
            metadata = one["metadata"]
            yield kind, metadata["name"], metadata.get("namespace") or namespace


def images(manifest: str) -> list[str]:
    """Return the images that the containers of ``manifest`` run, sorted, each once."""
    return sorted(set(_images(resources(manifest))))


def _images(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _images(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("containers", "initContainers", "ephemeralContainers") and isinstance(value, list):
                yield from (str(one["image"]) for one in value if isinstance(one, dict) and one.get("image"))
            yield from _images(value)


def differences(before: str, after: str, namespace: str) -> list[str]:
    """Return the unified diff of two manifests, resource by resource, the data of Secrets hidden."""
    old, new = _by_name(before, namespace), _by_name(after, namespace)
    lines: list[str] = []
    for name in sorted(old.keys() | new.keys()):
        left, right = old.get(name), new.get(name)
        if left != right:
            left, right = _without_secrets(left, right)
            lines += difflib.unified_diff(
                _text(left), _text(right), f"deployed {name}", f"chart {name}", lineterm="", n=2
            )
    return lines


def _by_name(manifest: str, namespace: str) -> dict[str, dict[str, Any]]:
    return {
        "/".join(
            (
                str(one.get("kind")),
                str((one.get("metadata") or {}).get("namespace") or namespace),
                str((one.get("metadata") or {}).get("name")),
            )
        ): one
        for one in resources(manifest)
    }


def _text(resource: dict[str, Any] | None) -> list[str]:
    return yaml.safe_dump(resource, sort_keys=True, allow_unicode=True).splitlines() if resource else []


def _without_secrets(
    left: dict[str, Any] | None, right: dict[str, Any] | None
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    if (left or right or {}).get("kind") != "Secret":
        return left, right
    old, new = dict(left or {}), dict(right or {})
    for part in ("data", "stringData"):
        a, b = old.get(part) or {}, new.get(part) or {}
        if a:
            old[part] = dict.fromkeys(a, _HIDDEN)
        if b:
            new[part] = {key: _HIDDEN if key not in a or a[key] == value else _CHANGED for key, value in b.items()}
    return old if left is not None else None, new if right is not None else None
