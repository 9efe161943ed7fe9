"""The journal as a ConfigMap: its name, its content, and who may hold an attempt."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from release.rollout.machine import Attempt, Journal, Mark
from release.rollout.target import StepFailed

__all__ = ["config_map", "holder", "is_gone", "journal_name", "read"]

_KEY = "journal.json"


def journal_name(release: str) -> str:
    """Return the name of the ConfigMap, beside the release in its namespace."""
    return f"release-rollout-{release.lower()}"


def config_map(journal: Journal, release: str, namespace: str, version: str) -> dict[str, Any]:
    """Return the manifest of the ConfigMap; ``version`` is the ``resourceVersion`` it must still have, or empty."""
    metadata: dict[str, Any] = {"name": journal_name(release), "namespace": namespace}
    if version:
        metadata["resourceVersion"] = version
    metadata["labels"] = {"app.kubernetes.io/managed-by": "release-rollout"}
    text = msgspec.json.format(msgspec.json.encode(journal), indent=2).decode()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {_KEY: text}}


def read(manifest: Mapping[str, Any]) -> tuple[Journal, str]:
    """Return the journal of a ConfigMap and its ``resourceVersion``.

    Raises:
        StepFailed: it does not hold a journal.
    """
    try:
        text = manifest["data"][_KEY]
        version = manifest["metadata"]["resourceVersion"]
        return _decode(text), str(version)
    except (KeyError, TypeError, msgspec.DecodeError) as error:
        raise StepFailed(
            f"the ConfigMap {manifest.get('metadata', {}).get('name')} holds no journal of a rollout: {error}"
        ) from None


def _decode(text: str) -> Journal:
    raw = msgspec.json.decode(text)
    good, attempt = raw["good"], raw["attempt"]
    return Journal(
        msgspec.convert(good, Mark) if good is not None else None,
        msgspec.convert(attempt, Attempt) if attempt is not None else None,
    )


def holder(environment: Mapping[str, str]) -> str:
    """Return who this process is to others: the workflow run, or host, PID namespace and PID."""
    run = environment.get("GITHUB_RUN_ID")
    if run:
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        return f"{server}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}"
    return f"{_host()}/{os.getpid()}"


def is_gone(other: str) -> bool:
    """Tell whether a holder is known to have ended: a process of this machine that isn't there any more.

    A workflow's steps run one after the other, so an attempt with this very run as its holder has ended, too; that
    is the caller's to compare.
    """
    host, _, pid = other.rpartition("/")
    if host != _host() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _host() -> str:
    namespace = Path("/proc/self/ns/pid")
    number = namespace.stat().st_ino if namespace.exists() else 0
    return f"{socket.gethostname()}/{number}"
