"""What is said where the container engine refuses, breaks off, or isn't where it is looked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from scratch import Scratch, plugin

VERSION = {"Version": "27.0.0", "ApiVersion": "1.46", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}


@contextmanager
def engine(refusal: str | None) -> Iterator[str]:
    """Yield the address of an engine that says its version, and then refuses with a message or hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.endswith("/version"):
                self._answer(200, VERSION)
            elif refusal is not None:
                self._answer(500, {"message": refusal})
            else:
                self.close_connection = True

        def _answer(self, status: int, body: dict[str, str]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def s(tmp_path: Path) -> Scratch:
    """Return a repository with one plugin."""
    scratch = Scratch(tmp_path / "r")
    scratch.commit("feat: begin", {"plugins/local_x/version.php": plugin("local_x")})
    return scratch


@pytest.mark.parametrize(("refusal", "said"), [("layer does not exist", "layer does not exist"), (None, "broke off")])
def test_what_the_engine_says_is_shown_and_blamed_on_no_file(s: Scratch, refusal: str | None, said: str) -> None:
    with engine(refusal) as address:
        result = s.run("stack", "status", env={"DOCKER_HOST": address})
    assert result.code == 18
    assert said in result.err
    assert "a file" not in result.err
    assert "free space" not in result.err


def test_without_docker_host_the_engine_of_the_current_context_is_asked(s: Scratch, tmp_path: Path) -> None:
    config = tmp_path / "docker"
    with engine("asked by its context") as address:
        facts = {"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": address, "SkipTLSVerify": False}}}
        meta = config / "contexts/meta" / hashlib.sha256(b"far").hexdigest()
        meta.mkdir(parents=True)
        (meta / "meta.json").write_text(json.dumps(facts))
        (config / "config.json").write_text('{"currentContext": "far"}')
        result = s.run("stack", "status", env={"DOCKER_CONFIG": str(config)})
        assert "asked by its context" in result.err
        (config / "config.json").write_text("{}")
        result = s.run("stack", "status", env={"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "far"})
        assert "asked by its context" in result.err
    result = s.run("stack", "status", env={"DOCKER_CONFIG": str(config), "DOCKER_CONTEXT": "nowhere"})
    assert (result.code, "there is no Docker context nowhere" in result.err) == (18, True)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("tcp://", "Invalid bind address"),
        ("tcp://127.0.0.1:x", "can't be used"),
        ("gopher://a", "Invalid bind address"),
        ("ssh://nobody@127.0.0.1", "paramiko"),
        ("tcp://127.0.0.1:1", "no container engine answers at tcp://127.0.0.1:1"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_with_what_is_wrong_about_it(s: Scratch, host: str, said: str) -> None:
    result = s.run("stack", "status", env={"DOCKER_HOST": host})
    assert result.code == 18
    assert said in result.err
