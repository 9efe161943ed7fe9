"""The one comment about a plan on its pull request."""

from __future__ import annotations

from release.terraform.github import own_comments
from release.terraform.summary import marker_of
from release.web.github import GitHubApi

__all__ = ["comment"]


def comment(api: GitHubApi, pull_request: int, text: str, path: str) -> str:
    """Write the summary ``text`` (of the file ``path``) into the comment about its root and environment.

    Returns ``created``, ``updated`` or ``unchanged``.

    Raises:
        FormatError: it is no summary.
        DestinationRefused: GitHub refuses or gives no answer.
    """
    there = own_comments(api, pull_request, marker_of(text, path))
    if not there:
        api.comment(pull_request, text)
        return "created"
    first = there[0]
    if (first.body or "").strip() == text.strip():
        return "unchanged"
    api.edit_comment(first.id, text)
    return "updated"
