"""What any image of ours has to be, whatever is in it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from release.images.contents import Contents

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.images import Image

__all__ = ["broken", "starts"]

_NUMERIC = re.compile(r"[1-9][0-9]*(:[0-9]+)?")
_SECRET = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_LABELS = ("title", "version", "revision", "created", "base.name")
_LEFT_BEHIND = ("/var/lib/apt/lists/", "/var/cache/apt/", "/var/log/")
_SET_ID = 0o6000
_SECONDS = 3


def broken(image: Image, contents: Contents) -> Iterator[str]:
    """Yield what is wrong with ``image``, whose files ``contents`` has."""
    config: Any = image.attrs["Config"]
    user = config.get("User") or ""
    if not _NUMERIC.fullmatch(user):
        yield f"it runs as {user or 'root'}, not as a user with a number above 0: USER 10001:10001"
    for variable in config.get("Env") or ():
        name, _, value = variable.partition("=")
        if value and _SECRET.search(name) and not name.endswith("_FILE"):
            yield f"its environment has {name}, which looks like a secret"
    labels = config.get("Labels") or {}
    missing = [name for name in _LABELS if not labels.get(f"org.opencontainers.image.{name}")]
    if missing:
        yield f"it has no label {', '.join(missing)} of org.opencontainers.image"
    privileged = sorted(file.path for file in contents.files.values() if file.regular and file.mode & _SET_ID)
    if privileged:
        yield f"files run as another user (setuid or setgid): {', '.join(privileged)}"
    for folder in _LEFT_BEHIND:
        left = sorted(
            file.path for file in contents.files.values() if file.path.startswith(folder) and file.regular and file.size
        )
        if left:
            yield f"what its build needed is left in {folder}: {', '.join(left[:5])}"


def starts(client: DockerClient, image: Image, labels: dict[str, str]) -> str | None:
    """Return why ``image`` doesn't start with nothing but its own files to read, ``None`` when it does.

    It may end: what it says when its configuration is missing is its own tests' business.
    """
    from docker.errors import APIError

    container = client.containers.create(
        image.id or "", read_only=True, cap_drop=["ALL"], security_opt=["no-new-privileges"],
        tmpfs={"/tmp": ""}, network_mode="none", labels=labels,
    )  # fmt: skip
    try:
        container.start()
        return _ended(container)
    except APIError as error:
        return f"its command can't be run: {error.explanation or error}"
    finally:
        container.remove(force=True, v=True)


def _ended(container: Container) -> str | None:
    """Return what a container that was started ran into, ``None`` when it goes on or ends for a reason of its own."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline and container.status != "exited":
        time.sleep(0.1)
        container.reload()
    logs = container.logs(tail=50).decode(errors="replace")
    code = container.attrs["State"]["ExitCode"] if container.status == "exited" else 0
    wanted = next((line for line in logs.splitlines() if "read-only file system" in line.lower()), None)
    if wanted is not None:
        return f"it writes to its root file system: {wanted.strip()}"
    return f"its command can't be run (exit code {code})" if code in (126, 127) else None
