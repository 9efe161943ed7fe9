"""A cargo registry in a folder: the documented web API and sparse index, for Cargo itself.

Sources: https://doc.rust-lang.org/cargo/reference/registry-web-api.html and registry-index.html there.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

__all__ = ["TOKEN", "CargoRegistry", "cargo_environment", "cargo_registry"]

TOKEN = "cargo-token-6f1d8a"


def cargo_environment(folder: Path) -> dict[str, str]:
    """Return what Cargo needs of the environment; it keeps its cache in ``folder``. Skip where there is no Cargo."""
    if shutil.which("cargo") is None:
        pytest.skip("cargo is not installed")
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    return {"RUSTUP_HOME": rustup, "CARGO_HOME": str(folder / "cargo-home")}


@dataclass
class CargoRegistry:
    """A running registry: ``published`` is what was accepted, ``failures`` are statuses that are answered first."""

    folder: Path
    url: str = ""
    published: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    @property
    def index(self) -> str:
        return f"{self.url}/index/"

    def environment(self) -> dict[str, str]:
        """Return what Cargo must be told to find this registry under the name ``test``, and the toolchain."""
        return {**cargo_environment(self.folder), "CARGO_REGISTRIES_TEST_INDEX": f"sparse+{self.index}"}

    def accept(self, body: bytes) -> str | None:
        """Store what ``cargo publish`` sends; return why not."""
        (length,) = struct.unpack_from("<I", body)
        facts: dict[str, Any] = json.loads(body[4 : 4 + length])
        (size,) = struct.unpack_from("<I", body, 4 + length)
        crate = body[8 + length : 8 + length + size]
        name, version = facts["name"], facts["vers"]
        entry = {
            "name": name,
            "vers": version,
            "deps": [
                {
                    "name": one.get("explicit_name_in_toml") or one["name"],
                    "req": one["version_req"],
                    "package": one["name"] if one.get("explicit_name_in_toml") else None,
                    **{key: one[key] for key in ("features", "optional", "default_features", "target", "kind")},
                    "registry": one.get("registry"),
                }
                for one in facts["deps"]
            ],
            "cksum": hashlib.sha256(crate).hexdigest(),
            "features": facts["features"],
            "yanked": False,
        }
        with self.lock:
            index = self.folder / "index" / _path(name)
            lines = index.read_text().splitlines() if index.exists() else []
            if any(json.loads(line)["vers"] == version for line in lines):
                self.refused.append(f"{name} {version}")
                return f"crate {name} {version} is already uploaded"
            index.parent.mkdir(parents=True, exist_ok=True)
            file = self.folder / "crates" / name / version
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(crate)
            index.write_text("".join(f"{line}\n" for line in (*lines, json.dumps(entry))))
            self.published.append(f"{name} {version}")
        return None


def _path(name: str) -> str:
    return f"{len(name)}/{name}" if len(name) < 3 else f"3/{name[0]}/{name}" if len(name) == 3 else (
        f"{name[:2]}/{name[2:4]}/{name}"
    )  # fmt: skip


@contextmanager
def cargo_registry(folder: Path) -> Iterator[CargoRegistry]:
    """Serve a registry kept in ``folder`` on this machine until the block ends."""
    registry = CargoRegistry(folder)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if registry.failures:
                return self.answer(registry.failures.pop(0), b"", retry=True)
            path = self.path.partition("?")[0]
            if path == "/index/config.json":
                return self.answer(200, json.dumps({"dl": f"{registry.url}/dl", "api": registry.url}).encode())
            if path.startswith("/dl/"):
                _, _, name, version, _ = path.split("/")
                return self.file(folder / "crates" / name / version)
            return self.file(folder / path.lstrip("/"))

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Authorization") != TOKEN:
                said = f"wrong token {self.headers.get('Authorization')}"
                return self.answer(403, json.dumps({"errors": [{"detail": said}]}).encode())
            refused = registry.accept(body)
            if refused:
                return self.answer(400, json.dumps({"errors": [{"detail": refused}]}).encode())
            return self.answer(200, b'{"warnings":{"invalid_categories":[],"invalid_badges":[],"other":[]}}')

        def file(self, path: Path) -> None:
            self.answer(200, path.read_bytes()) if path.is_file() else self.answer(404, b"")

        def answer(self, status: int, body: bytes, *, retry: bool = False) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if retry:
                self.send_header("Retry-After", "0")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry.url = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
