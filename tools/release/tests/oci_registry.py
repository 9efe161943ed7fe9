"""Debian's docker-registry on this machine, and a guard before it that asks for tokens and fails when told to."""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import parse_qs, urlsplit

import pytest

__all__ = ["PASSWORD", "USER", "Guard", "OciRegistry", "guarded", "oci_registry"]

USER, PASSWORD = "ada", "oci-password-93c1e7"
_TOKEN = "token-of-the-guard-41b2"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = """version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
http:
  addr: 127.0.0.1:{port}
log:
  level: error
"""


@dataclass(frozen=True, slots=True)
class OciRegistry:
    """A running registry at ``address`` (host and port)."""

    address: str

    def push_image(self, repository: str, text: str) -> str:
        """Put an image index that is particular to ``text`` there by its digest alone; return the digest."""
        note = {"annotations": {"text": text}}
        content = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": [], **note}).encode()
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        self._request("PUT", f"/v2/{repository}/manifests/{digest}", content, _INDEX)
        return digest

    def push_tag(self, repository: str, tag: str, text: str) -> str:
        """Put such an image there under ``tag``."""
        digest = self.push_image(repository, text)
        content = self._request("GET", f"/v2/{repository}/manifests/{digest}")
        self._request("PUT", f"/v2/{repository}/manifests/{tag}", content, _INDEX)
        return digest

    def tags(self, repository: str) -> dict[str, str]:
        """Return the digest of each tag."""
        try:
            listed = json.loads(self._request("GET", f"/v2/{repository}/tags/list"))["tags"] or []
        except urllib.error.HTTPError:
            return {}
        return {
            tag: "sha256:" + hashlib.sha256(self._request("GET", f"/v2/{repository}/manifests/{tag}")).hexdigest()
            for tag in sorted(listed)
        }

    def blob(self, repository: str, digest: str) -> bytes:
        """Return a blob."""
        return self._request("GET", f"/v2/{repository}/blobs/{digest}")

    def manifest(self, repository: str, tag: str) -> bytes:
        """Return the manifest under ``tag``."""
        return self._request("GET", f"/v2/{repository}/manifests/{tag}")

    def _request(self, method: str, path: str, body: bytes | None = None, media_type: str | None = None) -> bytes:
        headers = {"Accept": f"{_INDEX}, application/vnd.oci.image.manifest.v1+json"}
        if media_type:
            headers["Content-Type"] = media_type
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=10) as answer:
            content: bytes = answer.read()
            return content


@contextmanager
def oci_registry(folder: Path) -> Iterator[OciRegistry]:
    """Run a registry kept in ``folder``; skip the test where the program is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed (apt-get install docker-registry)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(folder=folder / "data", port=port))
    process = subprocess.Popen(
        [program, "serve", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder
    )
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            pytest.fail("docker-registry does not answer")
        yield OciRegistry(f"127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


@dataclass
class Guard:
    """A proxy at ``address``; ``fails`` decides for the number of each request whether it is answered by 503.

    It fails before the registry has seen the request, or, with ``late``, after the registry has done it.
    """

    address: str = ""
    scheme: str = "Bearer"
    open: bool = False
    requests: list[str] = field(default_factory=list)
    fails: Callable[[int], bool] = lambda _: False
    late: bool = False
    lock: Lock = field(default_factory=Lock)

    def allows(self, method: str, authorization: str | None) -> bool:
        """Tell whether a request with this header is let through; writing needs a token with push."""
        if self.open or self.scheme == "Basic":
            return self.open or authorization == _basic()
        tokens = [f"Bearer {_TOKEN}-push"] + ([f"Bearer {_TOKEN}-pull"] if method in ("GET", "HEAD") else [])
        return authorization in tokens


def _basic() -> str:
    return "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@contextmanager
def guarded(registry: OciRegistry) -> Iterator[Guard]:
    """Run a guard before ``registry`` that asks for ``USER`` and ``PASSWORD``."""
    guard = Guard()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with guard.lock:
                number = len(guard.requests)
                guard.requests.append(f"{self.command} {self.path}")
            fails = guard.fails(number)
            if fails and not guard.late:
                return self.answer(503, {"Retry-After": "0"}, b"")
            if self.path.startswith("/token"):
                if self.headers.get("Authorization") != _basic():
                    return self.answer(401, {}, b"{}")
                asked = parse_qs(urlsplit(self.path).query).get("scope", [""])[0]
                right = "push" if asked.startswith("repository:acme/") and asked.endswith(":pull,push") else "pull"
                return self.answer(200, {}, json.dumps({"token": f"{_TOKEN}-{right}"}).encode())
            if not guard.allows(self.command, self.headers.get("Authorization")):
                challenge = 'Basic realm="test"'
                if guard.scheme == "Bearer":
                    scope = "repository:some:pull"
                    challenge = f'Bearer realm="http://{guard.address}/token",service="test",scope="{scope}"'
                return self.answer(401, {"WWW-Authenticate": challenge}, b"{}")
            host, _, port = registry.address.partition(":")
            connection = HTTPConnection(host, int(port), timeout=10)
            headers = {key: value for key, value in self.headers.items() if key != "Authorization"}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            content = answer.read()
            kept = {
                key: value
                for key, value in answer.getheaders()
                if key.lower() not in ("transfer-encoding", "connection", "date", "content-length")
            }
            if self.command == "HEAD":
                kept["Content-Length"] = answer.getheader("Content-Length") or "0"
            connection.close()
            if fails:
                return self.answer(503, {"Retry-After": "0"}, b"")
            return self.answer(answer.status, kept, content)

        do_GET = do_HEAD = do_PUT = do_POST = handle_one  # noqa: N815

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if "Content-Length" not in headers:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    guard.address = f"127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield guard
    finally:
        server.shutdown()
        server.server_close()
