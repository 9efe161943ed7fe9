"""Builders: BuildKit through ``docker buildx``, else the engine's own by its SDK."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from release.errors import BuildFailed, EngineUnfit, Place
from release.images.context import redate
from release.images.layout import Layout

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = ["Order", "buildkit", "by_buildkit", "by_engine"]

_LAST = 12
"""Lines of a failed instruction that are shown."""
_CONTAINERD = "io.containerd.snapshotter"
_FAR = 4_102_444_800
"""2100-01-01 (seconds since the epoch)."""
_KEPT = 1 << 14
"""Characters of what an instruction says that are kept."""
_FULL = "no space left on device"
_AT = re.compile(r"^Dockerfile:(\d+)$", re.MULTILINE)
_STEP = re.compile(r"Step (\d+)/(\d+) : (.*)")
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built: the names of the component and the image, its Dockerfile, its context, what is told."""

    name: str
    reference: str
    dockerfile: str
    context: Path
    platforms: tuple[str, ...]
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    bases: Mapping[str, str] = field(default_factory=dict)
    """For images that ``FROM`` names: where they are, as ``oci-layout://DIR@DIGEST``."""
    cache: bool = True


def buildkit(client: DockerClient, builder: str | None) -> str | None:
    """Return the name of the buildx builder that makes images which can be repeated and pushed, ``None`` for none.

    ``builder`` is one to take, ``None`` the current one. The BuildKit in an engine writes layouts only where the
    engine keeps images in containerd.

    Raises:
        EngineUnfit: ``builder`` is not there.
    """
    if shutil.which("docker") is None:
        return None
    asked = subprocess.run(
        ["docker", "buildx", "inspect", *([builder] if builder else [])],
        stdin=subprocess.DEVNULL, capture_output=True, check=False, encoding="utf-8", errors="replace",
    )  # fmt: skip
    said = dict(re.findall(r"^(Name|Driver):\s+(\S+)", asked.stdout, re.MULTILINE)[:2])
    if asked.returncode or "Name" not in said:
        if builder:
            why = (asked.stderr.strip().splitlines() or ["it is not there"])[-1]
            raise EngineUnfit(f"the builder {builder} can't be used: {why}", fix="docker buildx ls lists those there")
        return None
    containerd = any(_CONTAINERD in value for _, value in client.info().get("DriverStatus") or ())
    return said["Name"].rstrip("*") if said.get("Driver") != "docker" or containerd else None


def by_buildkit(builder: str, order: Order, folder: Path, progress: Progress) -> Layout:
    """Build ``order`` into ``folder`` as an OCI layout with its provenance and return that.

    Files of the context are dated in the far future here: BuildKit's cache takes files of one content for the same,
    whatever their dates, and gives everything that is later than ``SOURCE_DATE_EPOCH`` that date. So what was copied
    for another commit has the same date in the image as what is copied for this one. The context's folder has to be
    called after its content, since files of one name, size and date are not sent to a builder again.

    Raises:
        BuildFailed: with the instruction that failed and its last lines.
    """
    redate(order.context, _FAR)
    command = ["docker", "buildx", "build", "--builder", builder, "--progress", "rawjson", "--provenance", "mode=max"]
    command += ["--platform", ",".join(order.platforms)]
    command += [
        f"--output=type=oci,tar=false,rewrite-timestamp=true,oci-mediatypes=true,name={order.reference},dest={folder}"
    ]
    for name, value in order.arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    for name, value in order.labels.items():
        command += ["--label", f"{name}={value}", "--annotation", f"manifest:{name}={value}"]
    for reference, place in order.bases.items():
        command += ["--build-context", f"{reference}={place}"]
    if not order.cache:
        command += ["--no-cache"]
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as rest:
        watched = _Watched(order, progress)
        with subprocess.Popen(
            [*command, str(order.context)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            encoding="utf-8", errors="replace",
        ) as process:  # fmt: skip
            try:
                for line in process.stderr or ():
                    if not watched.take(line):
                        rest.write(line)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            rest.seek(0)
            raise watched.failure(rest.read())
    return Layout(folder)


@dataclass
class _Watched:
    """What BuildKit says while it builds, in JSON (``--progress rawjson``): an object a line, or over several lines.

    buildx 0.13 writes the latter, with braces alone on the first and the last line.
    """

    order: Order
    progress: Progress
    names: dict[str, str] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: str | None = None
    error: str = ""
    logs: dict[str, str] = field(default_factory=dict)
    part: str = ""

    def take(self, line: str) -> bool:
        if self.part or line.rstrip() == "{":
            self.part += line
            if line.rstrip() != "}":
                return True
            line, self.part = self.part, ""
        try:
            status = msgspec.json.decode(line)
        except msgspec.DecodeError:
            return False
        if not isinstance(status, dict):
            return False
        for vertex in status.get("vertexes") or ():
            digest = vertex["digest"]
            self.names[digest] = vertex.get("name", "")
            if vertex.get("completed"):
                self.done.add(digest)
            if vertex.get("error"):
                self.failed, self.error = digest, vertex["error"]
        for log in status.get("logs") or ():
            text = base64.b64decode(log.get("data") or "").decode(errors="replace")
            self.logs[log["vertex"]] = (self.logs.get(log["vertex"], "") + text)[-_KEPT:]
        running = [name for digest, name in self.names.items() if digest not in self.done]
        if running:
            self.progress(f"build {self.order.name}: {running[-1]}", len(self.done), len(self.names))
        return True

    def failure(self, rest: str) -> BuildFailed:
        at = _AT.search(rest)
        if self.failed is None:
            last = [line.strip() for line in rest.strip().splitlines() if line.strip()] or ["no reason given"]
            return _failed(self.order, "", last[-1].removeprefix("ERROR: "), last[-_LAST:-1], int(at[1]) if at else 0)
        said = re.split(r"[\r\n]+", self.logs.get(self.failed, ""))
        lines = [line.rstrip() for line in said if line.strip()][-_LAST:]
        return _failed(self.order, self.names[self.failed], self.error, lines, int(at[1]) if at else 0)


def by_engine(client: DockerClient, order: Order, progress: Progress) -> str:
    """Build ``order`` with the engine's own builder and return the image's id; it has no tag yet.

    Raises:
        EngineUnfit: it is for several platforms, of which that builder makes one.
        BuildFailed: with the instruction that failed and its last lines.
    """
    if len(order.platforms) > 1:
        raise EngineUnfit(
            f"the engine's own builder makes an image for one platform, not for {', '.join(order.platforms)}",
            fix="docker buildx create --use, or name one --platform",
        )
    from docker.errors import APIError

    instruction, lines, built = "", deque[str](maxlen=_LAST), ""
    try:
        for status in client.api.build(
            path=str(order.context), buildargs=dict(order.arguments), labels=dict(order.labels),
            platform=order.platforms[0], nocache=not order.cache, rm=True, forcerm=True, decode=True,
        ):  # fmt: skip
            if "error" in status:
                raise _failed(order, instruction, status["error"].strip(), list(lines))
            text = status.get("stream", "").strip()
            step = _STEP.match(text)
            if step:
                instruction, lines = step[3], deque[str](maxlen=_LAST)
                progress(f"build {order.name}: {instruction}", int(step[1]) - 1, int(step[2]))
            elif text:
                lines.extend(text.splitlines())
            built = _identity(status.get("aux")) or built
    except APIError as error:
        raise _failed(order, instruction, str(error.explanation or error), list(lines)) from None
    return built


def _identity(said: Any) -> str:
    return str(said["ID"]) if isinstance(said, dict) and "ID" in said else ""


def _failed(order: Order, instruction: str, why: str, lines: list[str], line: int = 0) -> BuildFailed:
    said = " | ".join(lines)
    if _FULL in f"{why} {said}".lower():
        fix = "free space: docker system df shows what takes it, docker buildx prune removes what was built before"
    else:
        fix = "mend what it names" if instruction else "see to the builder: docker buildx inspect"
    stopped = f" at `{instruction}`" if instruction else ""
    return BuildFailed(
        f"the image {order.name} can't be built: it stops{stopped}: {why}" + (f": {said}" if said else ""),
        where=[Place(order.dockerfile, line)],
        fix=fix,
    )
