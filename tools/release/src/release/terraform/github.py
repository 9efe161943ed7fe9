"""What is said on GitHub about Terraform, and what it knows of a review: see :mod:`release.web.github`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from release.errors import CredentialsMissing
from release.web.github import Comment, GitHubApi, github_api

__all__ = ["github", "own_comments", "reviewed_head"]


def github(environment: Mapping[str, str], *, sleep: Callable[[float], None] = time.sleep) -> GitHubApi:
    """Return the repository that ``GITHUB_REPOSITORY`` names, as who ``GITHUB_TOKEN`` is.

    Raises:
        CredentialsMissing: one of these is not in ``environment``.
    """
    for name, what in (("GITHUB_TOKEN", "a token"), ("GITHUB_REPOSITORY", "the repository, OWNER/NAME")):
        if not environment.get(name):
            raise CredentialsMissing(
                f"{name} is not in the environment",
                fix=f"give it {what}; in a workflow step: env: {{GITHUB_TOKEN: ${{{{ github.token }}}}}}",
            )
    return github_api(environment, None, sleep=sleep)


def own_comments(api: GitHubApi, pull_request: int, marker: str) -> list[Comment]:
    """Return the comments on a pull request that begin with ``marker`` and that we wrote, oldest first.

    Anyone may write a comment that looks like ours; one that another person can edit must not be taken for it.
    """
    mine = api.user()
    return [
        one
        for one in api.comments(pull_request)
        if (one.body or "").startswith(marker)
        and one.user is not None
        and (one.user.type == "Bot" if mine is None else one.user.login == mine.login)
    ]


def reviewed_head(api: GitHubApi, commit: str) -> str | None:
    """Return the head of the pull request that ``commit`` is the merge of, ``None`` where there is none."""
    for one in api.pull_requests_of(commit):
        if one.merged_at is not None and one.merge_commit_sha == commit:
            return one.head.sha
    return None
