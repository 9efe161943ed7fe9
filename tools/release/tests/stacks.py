"""Real stacks: a clone of this repository with a stack of its own name, started by the command and deleted afterwards.

RELEASE_STACK_IMAGES may name the images of the services, as ``build-support/stack/images.py`` writes it, and IMAGE that
of Moodle. With MOODLE_DIR the site is a real Moodle, without it the small application of the image's own tests.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import engine
from scratch import Result

__all__ = ["REAL", "StackUnderTest", "running_stack"]

ROOT = Path(__file__).resolve().parents[3]
APPLICATION = ROOT / "images/moodle/tests/application"
MOODLE = os.environ.get("MOODLE_DIR")
REAL = MOODLE is not None and (Path(MOODLE) / "public/mod/quiz").is_dir()
"""Whether the site is a real Moodle."""
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "tools/release/src")}


@dataclass(frozen=True, slots=True)
class StackUnderTest:
    """A clone and the name of its stack."""

    root: Path
    name: str
    images: Path

    def run(self, *arguments: str) -> Result:
        """Run ``release stack ARGUMENTS`` in the clone."""
        done = subprocess.run(
            [sys.executable, "-m", "release", "stack", *arguments],
            cwd=self.root,
            env={**_ENVIRONMENT, "RELEASE_STACK_IMAGES": str(self.images)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def up(self, *options: str) -> dict[str, Any]:
        """Start the stack and return what it says; fail the test when it doesn't come up."""
        found: dict[str, Any] = self.run("up", "--json", *([] if REAL else ["--no-seed"]), *options).ok().json
        return found

    def containers(self) -> dict[str, Any]:
        """Return the containers, by service."""
        found = engine().containers.list(all=True, filters={"label": f"com.docker.compose.project={self.name}"})
        return {one.labels["com.docker.compose.service"]: one for one in found}

    def volumes(self) -> set[str]:
        """Return the names of the volumes."""
        found = engine().volumes.list(filters={"label": f"com.docker.compose.project={self.name}"})
        return {one.name.removeprefix(f"{self.name}_") for one in found}

    def sh(self, service: str, script: str) -> str:
        """Run a shell script in the service's container and return what it prints; fail the test when it fails."""
        return self.run("shell", service, "--", "sh", "-c", script).ok().out


def get(address: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Return the status and the body of a page."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers or {}), timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def get_signed(address: str, key: str, secret: str) -> tuple[int, bytes]:
    """Return the status and the body of what an S3 server has, asked with a signature.

    Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    """
    url = urllib.parse.urlsplit(address)
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/us-east-1/s3/aws4_request"
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": url.netloc, "x-amz-content-sha256": empty, "x-amz-date": now}
    names = ";".join(headers)
    lines = [f"{name}:{value}\n" for name, value in headers.items()]
    request = "\n".join(("GET", url.path, url.query, "".join(lines), names, empty))
    text = "\n".join(("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()))
    signing = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), text):
        signing = hmac.digest(signing, part.encode(), "sha256")
    credential = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signing.hex()}"
    return get(address, {**headers, "Authorization": credential})


def address(said: dict[str, Any], what: str) -> str:
    """Return where something of the stack is reached."""
    return next(str(one["address"]) for one in said["reached"] if one["what"].startswith(what))


@contextmanager
def running_stack(folder: Path) -> Iterator[StackUnderTest]:
    """Yield a stack that isn't started yet, and delete it with its data; skip the test where there is no engine."""
    engine()
    name = f"stack-test-{secrets.token_hex(3)}"
    root = folder / name
    subprocess.run(["git", "clone", "-q", str(ROOT), str(root)], check=True)
    config = root / "release.yaml"
    kept = config.read_text().partition("\nstack:")[0]
    config.write_text(f"{kept}\nstack: {json.dumps({'name': name, 'moodle': 'moodle'})}\n")
    images = folder / "images.yaml"
    _services(images)
    if (image := os.environ.get("IMAGE")) or not REAL:
        with images.open("a") as file:
            file.write(f"moodle: {image or _built(folder / 'context', f'{name}/small:local')}\n")
    stack = StackUnderTest(root, name, images)
    try:
        yield stack
    finally:
        stack.run("reset", "--yes")
        _remove_images(name)


def _remove_images(name: str) -> None:
    """Remove the tags that the stack's start gave, and that of :func:`_built`."""
    client = engine()
    listed: list[dict[str, list[str] | None]] = client.api.images()
    for tag in [tag for image in listed for tag in image["RepoTags"] or ()]:
        if tag.startswith((f"{name}/", f"localhost/{name}/")):
            client.images.remove(tag)


def _services(file: Path) -> None:
    """Write the list of the services' images, which are built from Debian's packages unless the environment has one."""
    if given := os.environ.get("RELEASE_STACK_IMAGES"):
        shutil.copyfile(given, file)
    else:
        subprocess.run([sys.executable, str(ROOT / "build-support/stack/images.py"), str(file)], check=True)


def _built(context: Path, name: str) -> str:
    """Build Moodle's image with the application in Moodle's place, and return its name."""
    shutil.copytree(ROOT / "images/moodle/rootfs", context / "rootfs")
    shutil.copy(ROOT / "images/moodle/Dockerfile", context)
    shutil.copytree(APPLICATION, context / "moodle")
    base = os.environ.get("RELEASE_IMAGE_BASE", "debian:trixie-slim")
    command = ["docker", "build", "--quiet", "--build-arg", f"BASE={base}", "--tag", name, str(context)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return name
