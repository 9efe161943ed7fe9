"""A server that follows GitHub's documents of issues, comments and a commit's pull requests, and can fail.

https://docs.github.com/rest/issues/issues, https://docs.github.com/rest/issues/comments
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

__all__ = ["TOKEN", "Issues", "serving"]

TOKEN = "ghs_not-a-secret-of-anyone"
_APP = {"login": "github-actions[bot]", "type": "Bot"}


@dataclass
class Issues:
    """What the server knows, and how it fails.

    ``fail`` is the number of the request (from 0) that fails, with ``lasting`` as all that follow; ``how`` is a status
    code, ``"before"`` or ``"after"``: the connection is cut before or after the request has its effect. ``who`` is the
    user that the token is of.
    """

    url: str = ""
    who: dict[str, str] = field(default_factory=lambda: dict(_APP))
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    fail: int = -1
    how: int | str = 500
    lasting: bool = False

    def answer(self, method: str, path: str, query: dict[str, list[str]], data: dict[str, Any]) -> tuple[int, Any]:
        """Return status and body of the answer to a request."""
        if path == "/user":
            return (
                (403, {"message": "Resource not accessible by integration"})
                if self.who["type"] == "Bot"
                else (200, self.who)
            )
        inside = path.removeprefix("/repos/acme/site/")
        if inside == path:
            return 404, {"message": "Not Found"}
        if inside == "issues" and method == "GET":
            wanted = query["labels"][0], query["state"][0]
            found = [one for one in self.issues if (wanted[0] in one["labels"]) and one["state"] == wanted[1]]
            return 200, self._page(found[::-1], query)
        if inside == "issues":
            self.issues.append({"number": len(self.issues) + 1, "state": "open", "user": self.who, **data})
            return 201, self.issues[-1]
        if found_issue := re.fullmatch(r"issues/(\d+)", inside):
            self.issues[int(found_issue[1]) - 1].update(data)
            return 200, self.issues[int(found_issue[1]) - 1]
        if found_comment := re.fullmatch(r"issues/comments/(\d+)", inside):
            self.comments[int(found_comment[1])].update(data)
            return 200, self.comments[int(found_comment[1])]
        if of := re.fullmatch(r"issues/(\d+)/comments", inside):
            if method == "GET":
                return 200, self._page([one for one in self.comments if one["of"] == int(of[1])], query)
            self.comments.append({"id": len(self.comments), "of": int(of[1]), "user": self.who, **data})
            return 201, self.comments[-1]
        if re.fullmatch("commits/[0-9a-f]+/pulls", inside):
            return 200, self._page(self.pulls, query)
        return 404, {"message": "Not Found"}

    def fails(self, number: int) -> bool:
        """Tell whether the request with this number fails."""
        return number == self.fail or (self.lasting and 0 <= self.fail < number)

    @staticmethod
    def _page(found: list[dict[str, Any]], query: dict[str, list[str]]) -> list[dict[str, Any]]:
        size, page = int(query["per_page"][0]), int(query.get("page", ["1"])[0])
        return found[(page - 1) * size : page * size]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _do(self) -> None:
        known = self.server.known
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        data = json.loads(self.rfile.read(length)) if length else {}
        number = len(known.requests)
        known.requests.append(f"{self.command} {parts.path}")
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"message": "Bad credentials"})
            return
        if known.fails(number) and known.how != "after":
            if known.how == "before":
                self.close_connection = True
            else:
                self._send(int(known.how), {"message": TOKEN})
            return
        status, body = known.answer(self.command, parts.path, parse_qs(parts.query), data)
        if known.fails(number):
            self.close_connection = True
        else:
            self._send(status, body, self._next(parts.path, parse_qs(parts.query), body))

    def _next(self, path: str, query: dict[str, list[str]], body: Any) -> str | None:
        """Return the link to the page after ``body``, which a full page has."""
        if not isinstance(body, list) or len(body) < int(query["per_page"][0]):
            return None
        following = {**query, "page": [str(int(query.get("page", ["1"])[0]) + 1)]}
        return f'<{self.server.known.url}{path}?{urlencode(following, doseq=True)}>; rel="next"'

    do_GET = do_POST = do_PATCH = _do  # noqa: N815

    def _send(self, status: int, body: Any, link: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        if link is not None:
            self.send_header("Link", link)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    known: Issues


@contextmanager
def serving() -> Iterator[Issues]:
    """Serve on the loopback interface for as long as the block runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.known = Issues(url=f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.known
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
