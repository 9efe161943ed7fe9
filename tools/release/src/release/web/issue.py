"""One issue about one thing that comes and goes: opened, kept up to date, closed."""

from __future__ import annotations

from collections.abc import Mapping

from release.web.github import GitHubApi, Issue

__all__ = ["keep", "seen_by"]

_CLOSED = {"state": "closed", "state_reason": "completed"}


def keep(api: GitHubApi, *, label: str, mark: str, title: str, body: str | None, gone: str) -> str:
    """Open, update or close the one issue whose text begins with ``mark``; return what was done, for people.

    ``body`` is what there is to say (``None``: nothing any more, which ``gone`` then says). Only who may write to the
    repository can give an issue a label, so nobody else can make one that looks like ours. Each case is one request
    that changes something, so whatever fails, the next run finds what is there and goes on.

    Raises:
        DestinationRefused: GitHub refuses or gives no answer.
    """
    there = _open(api, label, mark)
    if body is None:
        for one in there:
            api.edit_issue(one.number, body=f"{mark}\n{gone}\n", **_CLOSED)
        return f"closed {', '.join(f'#{one.number}' for one in there)}" if there else "no issue"
    text = f"{mark}\n{body}"
    if not there:
        return f"opened #{api.open_issue(title, text, label).number}"
    kept, *twice = there
    for one in twice:
        api.edit_issue(one.number, body=f"{mark}\nThis is the same as #{kept.number}.\n", **_CLOSED)
    if kept.body != text:
        api.edit_issue(kept.number, body=text)
    return f"updated #{kept.number}"


def seen_by(environment: Mapping[str, str]) -> str:
    """Return the line that names the workflow run, ``""`` outside of one."""
    server, repository, run = (environment.get(f"GITHUB_{name}") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID"))
    return f"Seen by {server}/{repository}/actions/runs/{run}\n" if server and repository and run else ""


def _open(api: GitHubApi, label: str, mark: str) -> list[Issue]:
    return [one for one in api.open_issues(label) if (one.body or "").startswith(mark)]
