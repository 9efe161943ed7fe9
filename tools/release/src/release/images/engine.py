"""The container engine, by its SDK: reached once, old enough, and with errors that say what to do."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from release.errors import EngineUnfit

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["OLDEST", "connected", "refusal"]

OLDEST = (20, 10)
"""The oldest engine: the first whose builder and whose run options (``--init``, tmpfs with a mode) all work here."""


def connected(*, timeout: int = 60) -> DockerClient:
    """Return a client of the engine that ``DOCKER_HOST``, the current context or the usual socket leads to.

    ``timeout`` is for each request, in seconds.

    Raises:
        EngineUnfit: no engine answers there, this user may not use it, or it is older than :data:`OLDEST`.
    """
    import docker
    from docker.errors import DockerException

    _refuse_unknown_context()
    try:
        client = docker.from_env(timeout=timeout)
        version = str(client.version()["Version"])
    except (DockerException, OSError, ValueError) as error:
        raise _unreached(str(error)) from error
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineUnfit(f"the container engine is version {version}", fix=f"install {oldest} or newer")
    return client


def _refuse_unknown_context() -> None:
    """Refuse a context that isn't there: the SDK would take the usual socket, and the command line does not.

    Source: https://docs.docker.com/engine/manage-resources/contexts/
    """
    from docker.context import ContextAPI
    from docker.context.config import get_current_context_name

    if os.environ.get("DOCKER_HOST"):
        return
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    if ContextAPI.get_context(name) is None:
        raise EngineUnfit(f"there is no Docker context {name}", fix="docker context ls; docker context use NAME")


def _unreached(said: str) -> EngineUnfit:
    """Return why no engine was reached; ``said`` is what the SDK says."""
    host = os.environ.get("DOCKER_HOST", "")
    if "paramiko" in said:
        return EngineUnfit(
            "an engine behind ssh:// is reached by Python's package paramiko, which is not installed here",
            fix="install paramiko, or forward the engine's socket by ssh -L and name that in DOCKER_HOST",
        )
    if "permission" in said.lower():
        return EngineUnfit(
            "this user may not use the container engine", fix="join the group docker, or use sudo"
        )  # fmt: skip
    if "fetching server API version" in said:
        return EngineUnfit(
            f"no container engine answers{f' at {host}' if host else ''}",
            fix="start Docker, or say in DOCKER_HOST where it is",
        )
    return EngineUnfit(
        f"the address of the container engine can't be used: {said}",
        fix="correct DOCKER_HOST, such as unix:///var/run/docker.sock" if host else "see docker context inspect",
    )


def refusal(error: BaseException) -> EngineUnfit | None:
    """Return ``error`` as what the engine says, ``None`` where it is of something else.

    Errors of the SDK and of its connection count as errors of files otherwise. Nothing
    is loaded for that.
    """
    sdk, connection, transport = map(sys.modules.get, ("docker.errors", "requests.exceptions", "urllib3.exceptions"))
    if sdk is None or connection is None or transport is None:
        return None
    if isinstance(error, sdk.APIError):
        said = error.explanation
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        return EngineUnfit(f"the container engine refuses: {said or error}", fix="mend what it names, and try again")
    if isinstance(error, sdk.DockerException):
        return EngineUnfit(f"the container engine: {error}", fix="mend what is said, and try again")
    if isinstance(error, connection.RequestException | transport.HTTPError):
        return EngineUnfit(f"the container engine's answer broke off: {error}", fix="see whether it runs: docker info")
    return None
