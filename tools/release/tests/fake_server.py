"""A server that follows GitHub's and the plugins directory's documents, keeps state, and can fail at any request.

Sources: https://docs.github.com/en/rest (releases, release assets, pulls, workflow dispatches, workflow runs) and
https://moodledev.io/general/community/plugincontribution/moodlemarketplaceapi
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import io
import json
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["REPOSITORY", "TOKEN", "FakeServer", "Fault", "serve"]

TOKEN = "sesame-open-7f3a"
REPOSITORY = "acme/shop"
_BASE = f"/repos/{REPOSITORY}"
FAULTS = ("drop before", "drop after", "500 before", "500 after")


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the request with the number ``at``, counted from 0; ``outage``: and at all that follow."""

    at: int
    how: str
    outage: bool = False


@dataclass
class FakeServer:
    """The state that people would see, and how the server behaves."""

    url: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    releases: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[int, bytes] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    runs: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    plugins: dict[str, dict[str, bytes]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    heads: Callable[[str], str] = lambda branch: f"head of {branch}"
    """The commit that a branch is at, for runs."""

    digests: bool = True
    hidden: bool = False
    """Whether the directory does not show a version yet, since it checks it."""
    page: int = 100
    fault: Fault | None = None
    limits: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Answers to the next requests: a status and headers."""
    seen: list[str] = field(default_factory=list)
    kill: Callable[[], None] | None = None
    _next: int = 100
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def number(self) -> int:
        self._next += 1
        return self._next

    def writes(self) -> list[str]:
        """Return the requests that were to change something."""
        return [one for one in self.seen if not one.startswith("GET ")]

    def state(self) -> dict[str, Any]:
        """Return what is to be seen, without the numbers that differ from run to run."""
        releases = [
            {
                **{key: one[key] for key in ("tag_name", "name", "body", "draft", "prerelease", "make_latest")},
                "assets": sorted(
                    (asset["name"], asset["state"], self.contents.get(asset["id"])) for asset in one["assets"]
                ),
            }
            for one in self.releases
        ]
        pulls = [{key: one[key] for key in ("title", "body", "state", "head", "base")} for one in self.pulls]
        return {"releases": releases, "pulls": pulls, "runs": self.runs, "plugins": self.plugins}

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        """Return the answer to a request, and do what it asks for."""
        split = urlsplit(target)
        query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        path = unquote(split.path)
        if path.startswith("/elsewhere/"):
            assert "Authorization" not in headers, "the secret went to another host"
            return _Answer(200, self.contents[int(path.rpartition("/")[2])])
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return _error(401, "Bad credentials")
        if path.startswith("/plugins/"):
            return self._directory(path, headers, body)
        assert headers.get("X-GitHub-Api-Version")
        for pattern, wanted, handle in self._routes():
            match = re.fullmatch(_BASE + pattern, path)
            if match and method == wanted:
                data = json.loads(body) if body and headers.get("Content-Type") == "application/json" else {}
                return handle(_Request(match.groups(), query, data, body))
        return _error(404, "Not Found")

    def _routes(self) -> list[tuple[str, str, Callable[..., _Answer]]]:
        return [
            ("", "GET", lambda _: _Answer(200, self.settings)),
            ("/commits/tags/(.+)", "GET", self._commit),
            ("/releases", "GET", lambda asked: self._paged(self.releases, asked.query, "/releases")),
            ("/releases", "POST", self._create),
            (r"/releases/(\d+)", "GET", lambda asked: self._one(asked.groups[0])),
            (r"/releases/(\d+)", "PATCH", self._edit),
            (r"/releases/(\d+)", "DELETE", self._delete),
            (r"/releases/(\d+)/assets", "GET", self._assets),
            (r"/releases/(\d+)/assets", "POST", self._upload),
            (r"/releases/assets/(\d+)", "GET", self._download),
            (r"/releases/assets/(\d+)", "DELETE", self._delete_asset),
            ("/pulls", "GET", self._list_pulls),
            ("/pulls", "POST", self._open_pull),
            (r"/pulls/(\d+)", "PATCH", self._edit_pull),
            ("/actions/workflows/([^/]+)/dispatches", "POST", self._dispatch),
            ("/actions/workflows/([^/]+)/runs", "GET", self._list_runs),
        ]

    def _paged(self, listed: list[dict[str, Any]], query: Mapping[str, str], path: str) -> _Answer:
        size = min(int(query.get("per_page", 30)), self.page)
        page = int(query.get("page", 1))
        shown = listed[(page - 1) * size : page * size]
        more = page * size < len(listed)
        rest = "".join(f"&{key}={value}" for key, value in query.items() if key not in ("page", "per_page"))
        link = f'<{self.url}{_BASE}{path}?per_page={size}&page={page + 1}{rest}>; rel="next"'
        return _Answer(200, shown, {"Link": link} if more else {})

    def _commit(self, asked: _Request) -> _Answer:
        commit = self.tags.get(asked.groups[0])
        return (
            _Answer(200, commit.encode()) if commit else _error(422, f"No commit found for SHA: tags/{asked.groups[0]}")
        )

    def _find(self, number: str) -> dict[str, Any] | None:
        return next((one for one in self.releases if one["id"] == int(number)), None)

    def _one(self, number: str) -> _Answer:
        found = self._find(number)
        return _Answer(200, found) if found else _error(404, "Not Found")

    def _create(self, asked: _Request) -> _Answer:
        if any(one["tag_name"] == asked.data["tag_name"] and not one["draft"] for one in self.releases):
            return _error(422, "Validation Failed", [{"field": "tag_name", "code": "already_exists"}])
        number = self.number()
        made = {
            "id": number,
            "body": None,
            "make_latest": None,
            "assets": [],
            "upload_url": f"{self.url}{_BASE}/releases/{number}/assets{{?name,label}}",
            **asked.data,
        }
        self.releases.insert(0, made)
        return _Answer(201, made)

    def _edit(self, asked: _Request) -> _Answer:
        found = self._find(asked.groups[0])
        if found is None:
            return _error(404, "Not Found")
        if found["draft"] and asked.data.get("draft") is False:
            if any(one["tag_name"] == found["tag_name"] and not one["draft"] for one in self.releases):
                return _error(422, "Validation Failed", [{"field": "tag_name", "code": "already_exists"}])
            if found["tag_name"] not in self.tags:
                self.tags[found["tag_name"]] = "made by GitHub"
        found.update(asked.data)
        return _Answer(200, found)

    def _delete(self, asked: _Request) -> _Answer:
        found = self._find(asked.groups[0])
        if found is None:
            return _error(404, "Not Found")
        assert found["draft"], "a published release was deleted"
        self.releases.remove(found)
        return _Answer(204)

    def _assets(self, asked: _Request) -> _Answer:
        found = self._find(asked.groups[0])
        if found is None:
            return _error(404, "Not Found")
        return self._paged(found["assets"], asked.query, f"/releases/{asked.groups[0]}/assets")

    def _upload(self, asked: _Request) -> _Answer:
        found = self._find(asked.groups[0])
        if found is None:
            return _error(404, "Not Found")
        if not found["draft"]:
            return _error(422, "Cannot upload assets to an immutable release.")
        name = asked.query["name"]
        if any(asset["name"] == name for asset in found["assets"]):
            return _error(422, "Validation Failed", [{"resource": "ReleaseAsset", "code": "already_exists"}])
        number = self.number()
        digest = f"sha256:{hashlib.sha256(asked.body).hexdigest()}" if self.digests else None
        asset = {"id": number, "name": name, "state": "uploaded", "digest": digest, "size": len(asked.body)}
        found["assets"].append(asset)
        self.contents[number] = asked.body
        return _Answer(201, asset)

    def add(self, tag: str, *, draft: bool) -> None:
        """Make a release as somebody else would."""
        self._create(_Request((), {}, {"tag_name": tag, "name": tag, "draft": draft, "prerelease": False}, b""))

    def starter(self, name: str) -> None:
        """Make of the file ``name`` what a broken upload leaves: an empty one that takes the name."""
        for release in self.releases:
            for asset in release["assets"]:
                if asset["name"] == name:
                    asset.update(state="starter", digest=None, size=0)
                    self.contents[asset["id"]] = b""

    def _download(self, asked: _Request) -> _Answer:
        if int(asked.groups[0]) not in self.contents:
            return _error(404, "Not Found")
        port = urlsplit(self.url).port
        return _Answer(302, headers={"Location": f"http://localhost:{port}/elsewhere/{asked.groups[0]}?signature=x"})

    def _delete_asset(self, asked: _Request) -> _Answer:
        for release in self.releases:
            for asset in release["assets"]:
                if asset["id"] == int(asked.groups[0]):
                    assert release["draft"], "a published release was changed"
                    release["assets"].remove(asset)
                    return _Answer(204)
        return _error(404, "Not Found")

    def _list_pulls(self, asked: _Request) -> _Answer:
        owner = REPOSITORY.partition("/")[0]
        found = [
            one
            for one in self.pulls
            if one["state"] == asked.query["state"]
            and asked.query["head"] == f"{owner}:{one['head']}"
            and one["base"] == asked.query["base"]
        ]
        return self._paged(found, asked.query, "/pulls")

    def _open_pull(self, asked: _Request) -> _Answer:
        if any(one["state"] == "open" and one["head"] == asked.data["head"] for one in self.pulls):
            return _error(422, "Validation Failed", [{"message": "A pull request already exists"}])
        assert len(asked.data["body"]) <= 65536
        number = len(self.pulls) + 1
        made = {**asked.data, "number": number, "state": "open", "html_url": f"{self.url}/{REPOSITORY}/pull/{number}"}
        self.pulls.append(made)
        return _Answer(201, made)

    def _edit_pull(self, asked: _Request) -> _Answer:
        found = next((one for one in self.pulls if one["number"] == int(asked.groups[0])), None)
        if found is None:
            return _error(404, "Not Found")
        found.update(asked.data)
        return _Answer(200, found)

    def _dispatch(self, asked: _Request) -> _Answer:
        self.runs.append(
            {"workflow": asked.groups[0], "ref": asked.data["ref"], "head_sha": self.heads(asked.data["ref"])}
        )
        return _Answer(204)

    def _list_runs(self, asked: _Request) -> _Answer:
        assert asked.query["event"] == "workflow_dispatch"
        found = [
            one for one in self.runs if (one["workflow"], one["head_sha"]) == (asked.groups[0], asked.query["head_sha"])
        ]
        return _Answer(200, {"total_count": len(found), "workflow_runs": found})

    def _directory(self, path: str, headers: Mapping[str, str], body: bytes) -> _Answer:
        match = re.fullmatch(r"/plugins/(\w+)/versions(?:/(\d+)/download)?", path)
        if match is None or match[1] not in self.plugins:
            return _problem(404, "No plugin with that frankenStyle exists.")
        versions, build = self.plugins[match[1]], match[2]
        if build is not None:
            shown = build in versions and not self.hidden
            return _Answer(200, versions[build]) if shown else _problem(404, "No such plugin or version.")
        form = _form(headers["Content-Type"], body)
        with zipfile.ZipFile(io.BytesIO(form["file"])) as archive:
            names = [name for name in archive.namelist() if name.endswith("/version.php")]
            text = archive.read(names[0]).decode() if names else ""
        found = re.search(r"\$plugin->version *= *(\d+)", text)
        if found is None:
            return _problem(422, "file: The archive does not contain a valid version.php.", "file")
        if found[1] in versions:
            return _problem(422, f"file: Build number {found[1]} already exists for this plugin.", "file")
        versions[found[1]] = form["file"]
        self.notes[found[1]] = form["releaseNotes"].decode()
        return _Answer(201, {"id": self.number(), "version": found[1], "status": "in_testing"})


@dataclass(frozen=True, slots=True)
class _Request:
    groups: tuple[str, ...]
    query: Mapping[str, str]
    data: dict[str, Any]
    body: bytes


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


def _error(status: int, message: str, errors: list[dict[str, str]] | None = None) -> _Answer:
    return _Answer(status, {"message": message, "errors": errors or []})


def _problem(status: int, detail: str, where: str | None = None) -> _Answer:
    violations = [{"propertyPath": where, "message": detail}] if where else []
    content = {"status": status, "title": "An error occurred", "detail": detail, "violations": violations}
    return _Answer(status, content)


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    found = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        found[str(name)] = content
    return found


@contextmanager
def serve() -> Iterator[FakeServer]:
    """Run a server on the loopback interface; the secret is :data:`TOKEN`."""
    state = FakeServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self._body()
            with state._lock:
                at = len(state.seen)
                state.seen.append(f"{self.command} {self.path}")
                fault = state.fault if state.fault and at >= state.fault.at else None
                if fault is not None and at > fault.at and not fault.outage:
                    fault = None
                how = fault.how if fault else ""
                if fault and at > fault.at:
                    how = "drop before"
                if how.endswith("before"):
                    return self._break(how)
                if state.limits:
                    status, headers = state.limits.pop(0)
                    return self._send(_Answer(status, {"message": "slow down"}, headers))
                answer = state.answer(self.command, self.path, dict(self.headers.items()), body)
                if how == "starter":
                    if "/assets?name=" in self.path and answer.status == 201:
                        state.starter(answer.content["name"])
                        return self._send(_error(502, "Server Error"))
                elif how:
                    return self._break(how)
            return self._send(answer)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                found = b""
                while size := int(self.rfile.readline(), 16):
                    found += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return found
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _break(self, how: str) -> None:
            if state.kill is not None:
                state.kill()
            if how.startswith("drop"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            else:
                self._send(_error(500, "Server Error"))

        def _send(self, answer: _Answer) -> None:
            content = answer.content
            data = content if isinstance(content, bytes) else b"" if content is None else json.dumps(content).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
