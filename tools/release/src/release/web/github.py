"""What of GitHub's REST API is used here, with types.

Source: https://docs.github.com/en/rest
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from release.errors import CredentialsMissing, DestinationRefused
from release.web.http import Http

__all__ = [
    "Asset",
    "Comment",
    "GitHubApi",
    "Issue",
    "Merged",
    "PullRequest",
    "Release",
    "Settings",
    "User",
    "github_api",
]

_VERSION = "2022-11-28"

T = TypeVar("T")
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+")
_ADVICE = {
    401: "GITHUB_TOKEN is not valid, or no more: give the step a new one",
    403: "the token may not do this: give the job the permissions that docs/release lists for the command",
    404: "check the repository's name, and that the token may see and write it",
}


class Asset(msgspec.Struct, frozen=True):
    """A file of a release; ``digest`` (``sha256:…``) is ``None`` for files older than June 2025.

    ``state`` is ``uploaded``, or ``starter`` for what a broken upload left.
    """

    id: int
    name: str
    state: str
    digest: str | None = None


class Release(msgspec.Struct, frozen=True):
    """A release, published or a draft."""

    id: int
    tag_name: str
    draft: bool
    upload_url: str


class PullRequest(msgspec.Struct, frozen=True):
    """An open pull request."""

    number: int
    html_url: str
    title: str
    body: str | None = None


class Issue(msgspec.Struct, frozen=True):
    """An issue; GitHub lists pull requests among them, which have ``pull_request``."""

    number: int
    body: str | None = None
    pull_request: object = None


class User(msgspec.Struct, frozen=True):
    """Who wrote something; ``type`` is ``Bot`` for an app."""

    login: str
    type: str = ""


class Comment(msgspec.Struct, frozen=True):
    """A comment on an issue or a pull request."""

    id: int
    body: str | None = None
    user: User | None = None


class _Head(msgspec.Struct, frozen=True):
    sha: str


class Merged(msgspec.Struct, frozen=True):
    """A pull request as far as its merge goes; ``merged_at`` is ``None`` where it is not merged."""

    head: _Head
    merged_at: str | None = None
    merge_commit_sha: str | None = None


class Settings(msgspec.Struct, frozen=True):
    """How a repository merges; ``None`` where the token may not see it."""

    allow_squash_merge: bool | None = None
    squash_merge_commit_message: str | None = None


class _Runs(msgspec.Struct):
    total_count: int


@dataclass(frozen=True, slots=True)
class GitHubApi:
    """The API of one repository (``OWNER/NAME``)."""

    http: Http
    repository: str

    @property
    def owner(self) -> str:
        """The repository's owner."""
        return self.repository.partition("/")[0]

    def tagged_commit(self, tag: str) -> str | None:
        """Return the SHA of the commit that ``tag`` leads to on GitHub, ``None`` when there is no such tag."""
        answer = self.http.send(
            "GET",
            self._path(f"/commits/tags/{quote(tag)}"),
            ok=(200, 404, 422),
            headers={"Accept": "application/vnd.github.sha"},
        )
        return answer.text.strip() if answer.status_code == 200 else None

    def releases(self) -> Iterator[Release]:
        """Yield all releases, drafts among them. Those have no page of their own under their tag."""
        return self._pages(self._path("/releases"), Release)

    def release(self, number: int) -> Release | None:
        """Return the release with the id ``number``."""
        answer = self.http.send("GET", self._path(f"/releases/{number}"), ok=(200, 404))
        return self.http.read(answer, Release) if answer.status_code == 200 else None

    def create_draft(self, tag: str, *, name: str, prerelease: bool) -> Release:
        """Make a draft of a release of ``tag``."""
        data = {"tag_name": tag, "name": name, "draft": True, "prerelease": prerelease}
        return self.http.read(self.http.send("POST", self._path("/releases"), ok=(201,), json=data), Release)

    def publish(self, number: int, *, name: str, body: str, prerelease: bool, latest: bool) -> None:
        """Publish the draft with the id ``number``."""
        data = {
            "name": name,
            "body": body,
            "draft": False,
            "prerelease": prerelease,
            "make_latest": "true" if latest else "false",
        }
        self.http.send("PATCH", self._path(f"/releases/{number}"), ok=(200,), json=data)

    def delete_release(self, number: int) -> None:
        """Delete the draft with the id ``number``."""
        self.http.send("DELETE", self._path(f"/releases/{number}"), ok=(204, 404))

    def assets(self, number: int) -> list[Asset]:
        """Return the files of the release with the id ``number``."""
        return list(self._pages(self._path(f"/releases/{number}/assets"), Asset))

    def upload(self, release: Release, name: str, path: Path, media_type: str) -> None:
        """Send the file ``path`` as ``name``.

        Raises:
            DestinationRefused: GitHub names a place for uploads that is not its own.
        """
        url = release.upload_url.partition("{")[0]
        if not _is_own(url, self.http.base):
            raise DestinationRefused(
                f"GitHub says to upload files of {release.tag_name} to {urlsplit(url).netloc}, which is not its own",
                fix="check GITHUB_API_URL",
            )
        headers = {"Content-Type": media_type}
        self.http.send("POST", url, ok=(201,), params={"name": name}, body=path, headers=headers)

    def delete_asset(self, number: int) -> None:
        """Delete the file with the id ``number``."""
        self.http.send("DELETE", self._path(f"/releases/assets/{number}"), ok=(204, 404))

    def asset_sha256(self, number: int) -> str | None:
        """Download the file with the id ``number`` and return its SHA-256, ``None`` when it is not there."""
        headers = {"Accept": "application/octet-stream"}
        return self.http.sha256(self._path(f"/releases/assets/{number}"), absent=(404,), headers=headers)

    def open_pull_requests(self, head: str, base: str) -> list[PullRequest]:
        """Return the open pull requests from this repository's branch ``head`` into ``base``, oldest first."""
        params = {"state": "open", "head": f"{self.owner}:{head}", "base": base}
        return sorted(self._pages(self._path("/pulls"), PullRequest, params), key=lambda one: one.number)

    def open_pull_request(self, head: str, base: str, *, title: str, body: str) -> PullRequest:
        """Open a pull request from ``head`` into ``base``."""
        data = {"title": title, "body": body, "head": head, "base": base}
        return self.http.read(self.http.send("POST", self._path("/pulls"), ok=(201,), json=data), PullRequest)

    def edit_pull_request(self, number: int, **fields: str) -> None:
        """Change ``title``, ``body`` or ``state`` of a pull request."""
        self.http.send("PATCH", self._path(f"/pulls/{number}"), ok=(200,), json=fields)

    def has_dispatched(self, workflow: str, commit: str) -> bool:
        """Tell whether ``workflow`` (its file's name) was dispatched for ``commit``."""
        params: dict[str, str | int] = {"head_sha": commit, "event": "workflow_dispatch", "per_page": 1}
        path = self._path(f"/actions/workflows/{quote(workflow, safe='')}/runs")
        return self.http.get(path, _Runs, params=params).total_count > 0

    def dispatch(self, workflow: str, ref: str) -> None:
        """Start ``workflow`` on the branch ``ref``."""
        path = self._path(f"/actions/workflows/{quote(workflow, safe='')}/dispatches")
        self.http.send("POST", path, ok=(200, 204), json={"ref": ref})

    def open_issues(self, label: str) -> list[Issue]:
        """Return the open issues with ``label``, oldest first."""
        found = self._pages(self._path("/issues"), Issue, {"state": "open", "labels": label})
        return sorted((one for one in found if one.pull_request is None), key=lambda one: one.number)

    def open_issue(self, title: str, body: str, label: str) -> Issue:
        """Open an issue. A label that is not there yet is made by GitHub."""
        data = {"title": title, "body": body, "labels": [label]}
        return self.http.read(self.http.send("POST", self._path("/issues"), ok=(201,), json=data), Issue)

    def edit_issue(self, number: int, **fields: str) -> None:
        """Change ``body``, ``state`` or ``state_reason`` of an issue."""
        self.http.send("PATCH", self._path(f"/issues/{number}"), ok=(200,), json=fields)

    def comments(self, number: int) -> list[Comment]:
        """Return the comments on an issue or a pull request, oldest first."""
        return sorted(self._pages(self._path(f"/issues/{number}/comments"), Comment), key=lambda one: one.id)

    def comment(self, number: int, body: str) -> None:
        """Comment on an issue or a pull request."""
        self.http.send("POST", self._path(f"/issues/{number}/comments"), ok=(201,), json={"body": body})

    def edit_comment(self, number: int, body: str) -> None:
        """Replace the text of the comment with the id ``number``."""
        self.http.send("PATCH", self._path(f"/issues/comments/{number}"), ok=(200,), json={"body": body})

    def user(self) -> User | None:
        """Return whose the token is, ``None`` for an app's (GITHUB_TOKEN), which may not ask."""
        answer = self.http.send("GET", "/user", ok=(200, 401, 403, 404))
        return self.http.read(answer, User) if answer.status_code == 200 else None

    def pull_requests_of(self, commit: str) -> Iterator[Merged]:
        """Yield the pull requests that ``commit`` is of."""
        return self._pages(self._path(f"/commits/{commit}/pulls"), Merged)

    def settings(self) -> Settings:
        """Return the repository's settings, as far as the token may see them."""
        return self.http.get(self._path(""), Settings)

    def _pages(self, path: str, kind: type[T], params: Mapping[str, str] | None = None) -> Iterator[T]:
        url: str | None = path
        asked: Mapping[str, str | int] | None = {**(params or {}), "per_page": 100}
        while url is not None:
            answer = self.http.send("GET", url, ok=(200,), params=asked)
            yield from self.http.read(answer, list[kind])  # type: ignore[valid-type]
            url, asked = answer.links.get("next", {}).get("url"), None
            if url is not None and urlsplit(url).netloc != urlsplit(self.http.base).netloc:
                raise DestinationRefused(f"GitHub's next page is at {urlsplit(url).netloc}", fix="check GITHUB_API_URL")

    def _path(self, rest: str) -> str:
        return f"/repos/{self.repository}{rest}"


def github_api(
    environment: Mapping[str, str],
    repository: str | None,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> GitHubApi:
    """Return the API of ``repository``, or of the one that the environment names.

    Read are ``GITHUB_TOKEN`` (or ``GH_TOKEN``), ``GITHUB_REPOSITORY`` and ``GITHUB_API_URL``.

    Raises:
        CredentialsMissing: there is no token.
        DestinationRefused: nothing says which repository it is.
    """
    token = environment.get("GITHUB_TOKEN") or environment.get("GH_TOKEN") or ""
    if not token:
        raise CredentialsMissing(
            "GITHUB_TOKEN is not set, so nothing can be done on GitHub",
            fix="give the step the environment variable GITHUB_TOKEN: ${{ github.token }}",
        )
    name = repository or environment.get("GITHUB_REPOSITORY") or ""
    if not _REPOSITORY.fullmatch(name):
        raise DestinationRefused(
            f"the repository on GitHub is {name!r}, not OWNER/NAME" if name else "nothing says which repository it is",
            fix="write `github: {repository: OWNER/NAME}` into release.yaml, or set GITHUB_REPOSITORY",
        )
    base = (environment.get("GITHUB_API_URL") or "https://api.github.com").rstrip("/")
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": _VERSION,
    }
    return GitHubApi(Http("GitHub", base, headers, token, _ADVICE, sleep), name)


def _is_own(url: str, base: str) -> bool:
    """Tell whether ``url`` is of the GitHub at ``base``: ``api.github.com`` uploads to ``uploads.github.com``."""
    own, other = urlsplit(base), urlsplit(url)
    domain = own.netloc.removeprefix("api.")
    return other.scheme == own.scheme and (other.netloc in (own.netloc, domain, f"uploads.{domain}"))
