"""The few things that are said on GitHub about Terraform: one comment of a plan, one issue of a drift.

REST: https://docs.github.com/rest/issues
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from release.errors import CredentialsMissing, DestinationRefused

if TYPE_CHECKING:
    import httpx

__all__ = ["GitHub", "Said"]

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Said:
    """An issue (``number``) or comment (its id) as it is there."""

    number: int
    body: str


@dataclass(frozen=True, slots=True)
class GitHub:
    """Issues and comments of one repository; a context manager that closes the connection."""

    repository: str
    _client: httpx.Client = field(repr=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> GitHub:
        """Return the repository that ``GITHUB_REPOSITORY`` names, as who ``GITHUB_TOKEN`` is.

        Raises:
            CredentialsMissing: one of these is not in ``environment``.
        """
        import httpx

        for name, what in (("GITHUB_TOKEN", "a token"), ("GITHUB_REPOSITORY", "the repository, OWNER/NAME")):
            if not environment.get(name):
                raise CredentialsMissing(
                    f"{name} is not in the environment",
                    fix=f"give it {what}; in a workflow step: env: {{GITHUB_TOKEN: ${{{{ github.token }}}}}}",
                )
        client = httpx.Client(
            base_url=environment.get("GITHUB_API_URL") or "https://api.github.com",
            headers={
                "Authorization": f"Bearer {environment['GITHUB_TOKEN']}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
                "User-Agent": "moodle-release",
            },
            timeout=_SECONDS,
        )
        return cls(environment["GITHUB_REPOSITORY"], client)

    def __enter__(self) -> GitHub:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def open_issues(self, label: str, marker: str) -> list[Said]:
        """Return the open issues with ``label`` whose text begins with ``marker``, oldest first."""
        return sorted(
            (
                Said(one["number"], one["body"])
                for one in self._pages(self._in("issues"), {"state": "open", "labels": label})
                if "pull_request" not in one and (one.get("body") or "").startswith(marker)
            ),
            key=lambda one: one.number,
        )

    def open_issue(self, title: str, body: str, label: str) -> int:
        """Open an issue; return its number. A label that is not there yet is made by GitHub."""
        made = self._call("POST", self._in("issues"), {"title": title, "body": body, "labels": [label]})
        return int(made["number"])

    def update_issue(self, number: int, body: str, *, close: bool = False) -> None:
        """Replace an issue's text and, at once, close it if asked to."""
        closed = {"state": "closed", "state_reason": "completed"} if close else {}
        self._call("PATCH", self._in(f"issues/{number}"), {"body": body, **closed})

    def own_comments(self, number: int, marker: str) -> list[Said]:
        """Return the comments on a pull request that begin with ``marker`` and that we wrote, oldest first.

        Anyone may write a comment that looks like ours; one that another person can edit must not be taken for it.
        """
        mine = self._me()
        return sorted(
            (
                Said(one["id"], one["body"])
                for one in self._pages(self._in(f"issues/{number}/comments"), {})
                if (one.get("body") or "").startswith(marker) and self._is(one.get("user") or {}, mine)
            ),
            key=lambda one: one.number,
        )

    def comment(self, number: int, body: str) -> None:
        """Comment on a pull request."""
        self._call("POST", self._in(f"issues/{number}/comments"), {"body": body})

    def update_comment(self, comment: int, body: str) -> None:
        """Replace a comment's text."""
        self._call("PATCH", self._in(f"issues/comments/{comment}"), {"body": body})

    def reviewed_head(self, commit: str) -> str | None:
        """Return the head of the pull request that ``commit`` is the merge of, ``None`` where there is none."""
        for one in self._pages(self._in(f"commits/{commit}/pulls"), {}):
            if one.get("merged_at") and one.get("merge_commit_sha") == commit:
                return str(one["head"]["sha"])
        return None

    def _me(self) -> str | None:
        """Return the login of a person's token, ``None`` for an app's (GITHUB_TOKEN), which may not ask."""
        found = self._call("GET", "user", None, ok=(401, 403, 404))
        return str(found["login"]) if found else None

    @staticmethod
    def _is(user: Mapping[str, Any], mine: str | None) -> bool:
        return user.get("type") == "Bot" if mine is None else user.get("login") == mine

    def _in(self, path: str) -> str:
        return f"repos/{self.repository}/{path}"

    def _pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._call("GET", path, None, parameters={**parameters, "per_page": "100", "page": str(page)})
            yield from found
            if len(found) < 100:
                return
            page += 1

    def _call(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None,
        *,
        parameters: Mapping[str, str] | None = None,
        ok: tuple[int, ...] = (),
    ) -> Any:
        import httpx

        what = f"GitHub: {method} {path}"
        try:
            answer = self._client.request(method, path, json=data, params=parameters)
            if answer.status_code in ok:
                return None
            found = answer.json() if answer.is_success else None
        except httpx.HTTPError as error:
            raise DestinationRefused(
                f"{what}: no answer ({type(error).__name__})", fix="run it again; nothing is said twice"
            ) from None
        except ValueError:
            raise DestinationRefused(f"{what}: the answer is no JSON", fix="look at GITHUB_API_URL") from None
        if not answer.is_success:
            raise DestinationRefused(f"{what}: {answer.status_code} {answer.reason_phrase}", fix=_fix(answer))
        return found


def _fix(answer: httpx.Response) -> str:
    if answer.status_code in (401, 403, 404):
        return "give the job the permission `issues: write` (drift) or `pull-requests: write` (comment)"
    return "run it again; nothing is said twice"
