"""The one comment about a plan on its pull request."""

from __future__ import annotations

from release.terraform.issues import GitHub
from release.terraform.summary import marker_of

__all__ = ["comment"]


def comment(github: GitHub, pull_request: int, text: str, path: str) -> str:
    """Write the summary ``text`` (of the file ``path``) into the comment about its root and environment.

    Returns ``created``, ``updated`` or ``unchanged``.

    Raises:
        FormatError: it is no summary.
        DestinationRefused: GitHub refuses or gives no answer.
    """
    there = github.own_comments(pull_request, marker_of(text, path))
    if not there:
        github.comment(pull_request, text)
        return "created"
    first = there[0]
    if first.body.strip() == text.strip():
        return "unchanged"
    github.update_comment(first.number, text)
    return "updated"
