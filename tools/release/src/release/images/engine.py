"""The container engine, by its SDK: reached once, old enough, and with errors that say what to do."""

from __future__ import annotations

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

    try:
        client = docker.from_env(timeout=timeout)
        version = str(client.version()["Version"])
    except DockerException as error:
        denied = "permission" in str(error).lower()
        raise EngineUnfit(
            "this user may not use the container engine" if denied else "no container engine answers",
            fix="join the group docker, or use sudo" if denied else "start Docker, or say in DOCKER_HOST where it is",
        ) from error
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineUnfit(f"the container engine is version {version}", fix=f"install {oldest} or newer")
    return client


def refusal(error: BaseException) -> EngineUnfit | None:
    """Return ``error`` as what the engine says, ``None`` where it is of something else.

    Errors of the SDK and of its connection count as errors of files otherwise. It is not loaded for that.
    """
    sdk = sys.modules.get("docker.errors")
    if sdk is None:
        return None
    import requests
    import urllib3

    if isinstance(error, sdk.APIError):
        said = error.explanation
        said = said.decode(errors="replace") if isinstance(said, bytes) else said
        return EngineUnfit(f"the container engine refuses: {said or error}", fix="mend what it names, and try again")
    if isinstance(error, sdk.DockerException):
        return EngineUnfit(f"the container engine: {error}", fix="mend what is said, and try again")
    if isinstance(error, requests.RequestException | urllib3.exceptions.HTTPError):
        return EngineUnfit(f"the container engine's answer broke off: {error}", fix="see whether it runs: docker info")
    return None
