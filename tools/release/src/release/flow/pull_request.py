"""The release pull request: the release commit on a branch of its own, and one pull request that shows the plan."""

from __future__ import annotations

import re
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from release.errors import GitStateError
from release.flow.apply import Step, no_step
from release.flow.edits import entries, told
from release.flow.message import commit_message
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.recorded import recorded_at
from release.flow.release import utc_day
from release.flow.survey import Survey, survey
from release.formats.changelog import render_section
from release.formats.plan_json import digest
from release.model.plan import Plan, Request
from release.repository.git import Repository
from release.repository.journal import Journal
from release.repository.landing import commit_files, require_identity
from release.repository.remote import Target, fetch, replace, target, tip
from release.repository.tree import CommitTree
from release.web.github import GitHubApi, PullRequest, Settings, github_api
from release.web.http import settle
from release.workspace.config import CONFIG, load

__all__ = ["Proposed", "api_for", "body", "propose"]

_MARK = re.compile(r"<!-- release-plan: (sha256:[0-9a-f]{64}) -->")
_LONGEST = 60_000
"""Characters of a body; GitHub takes 65,536."""


@dataclass(frozen=True, slots=True)
class Proposed:
    """What became of the release pull request.

    ``action`` is ``opened``, ``updated``, ``unchanged``, ``closed`` (nothing is left to release), ``nothing`` (there
    was none to close) or ``superseded`` (the remote's branch has moved on: a later run proposes what is there).
    """

    action: str
    plan: Plan | None
    branch: str
    commit: str | None = None
    pull_request: PullRequest | None = None
    dispatched: bool = False


def api_for(
    repository: Repository, environment: Mapping[str, str], *, sleep: Callable[[float], None] = clock.sleep
) -> GitHubApi:
    """Return the API of the repository that the environment names, or else ``github`` in ``release.yaml``.

    Raises:
        CredentialsMissing: there is no token.
        DestinationRefused: nothing says which repository it is.
    """
    config = load(CommitTree(repository, repository.head()).read_many([CONFIG]).get(CONFIG))
    configured = config.github.repository if config.github is not None else None
    return github_api(environment, environment.get("GITHUB_REPOSITORY") or configured, sleep=sleep)


def propose(
    repository: Repository,
    request: Request,
    api: GitHubApi,
    *,
    time: int,
    check: str | None = None,
    progress: Progress = silent,
    step: Step = no_step,
) -> Proposed:
    """Open or update the pull request that releases what ``request`` asks for, or close it when that is nothing.

    Neither HEAD's branch nor the work tree is touched. ``time`` is given to the release commit, ``check`` is the
    file of a workflow that is started for it. Every step looks first, so a run that was killed is run again. Call it
    holding the lock.

    Raises:
        GitStateError: HEAD is on no line that releases are made of, has commits that the remote lacks, an interrupted
            release is here, or the release branch has commits that ``release`` did not make.
        ReleaseError: what keeps the plan from being made, pushed or shown.
    """
    line_here = _line(repository)
    to = target(repository, line_here)
    branch = Target(to.remote, f"release/{to.branch}")
    progress(f"fetching from {to.remote}", 0, 0)
    if not _is_tip(repository, to):
        return Proposed("superseded", None, branch.branch)
    found = survey(repository, progress=progress)
    _require_line(found, line_here)
    plan = make_plan(found, request, utc_day(time))
    progress("asking GitHub", 0, 0)
    if not plan.bumps:
        return _close(api, plan, branch.branch, to.branch, step)
    commit, pushed = _push(repository, plan, to, branch, time, step)
    step("look for the pull request")
    title, text = commit_message(plan).partition("\n")[0], body(found, plan, api.settings())
    known = next(iter(api.open_pull_requests(branch.branch, to.branch)), None)
    action = "unchanged"
    if known is None:
        step("open the pull request")
        known, action = _open(api, branch.branch, to.branch, title, text), "opened"
    elif known.title != title or _digest(known) != digest(plan):
        step("edit the pull request")
        api.edit_pull_request(known.number, title=title, body=text)
        action = "updated"
    dispatched = _dispatch(api, check, branch.branch, commit, step) if check is not None else False
    if action == "unchanged" and (pushed or dispatched):
        action = "updated"
    return Proposed(action, plan, branch.branch, commit, known, dispatched)


def body(found: Survey, plan: Plan, settings: Settings) -> str:
    """Return the pull request's text: the plan as a table, each component's changelog, and what merging does."""
    rows = ["| component | kind | from | to | build | level |", "| --- | --- | --- | --- | --- | --- |"]
    for bump in plan.bumps:
        build = f"{bump.build_before} → {bump.build_after}" if bump.build_after is not None else ""
        cells = (bump.component, bump.kind, str(bump.before or "—"), str(bump.after), build, str(bump.level))
        rows.append(f"| {' | '.join(map(_cell, cells))} |")
    tags = [bump.tag for bump in plan.bumps if bump.tag is not None]
    head = [
        f"<!-- release-plan: {digest(plan)} -->",
        "This is what has changed since the last releases. Merging it releases "
        + (f"{len(tags)} component{'' if len(tags) == 1 else 's'}." if tags else "new build numbers only."),
        "",
        *rows,
        "",
        *_merging(plan, settings),
    ]
    sections: list[str] = []
    room = _LONGEST - len("\n".join(head))
    for bump in plan.bumps:
        if bump.tag is None:
            continue
        text = render_section(str(bump.after), None, entries(told(found, bump))).partition("\n")[2].strip("\n")
        section = f"\n<details><summary>{bump.component} {bump.after}</summary>\n\n{_deeper(text)}\n\n</details>"
        if len(section) > room:
            sections.append("\n(The other changelogs are too long to be shown here: see the changed files.)")
            break
        sections.append(section)
        room -= len(section) + 1
    return "\n".join([*head, *sections]) + "\n"


def _merging(plan: Plan, settings: Settings) -> list[str]:
    """Return how it may be merged: the release is known by the trailers of its commit."""
    how = (
        "Merge it with a merge commit, or rebase it. Squash it only with the commit's own message: its trailers say "
        "what was released. Commits that reach the branch before the merge are not part of this release; they count "
        f"for the next one. Planned on {plan.base[:12]} for {plan.date}."
    )
    if settings.allow_squash_merge and settings.squash_merge_commit_message in ("PR_BODY", "BLANK"):
        warning = (
            "> Do not squash it: this repository's squash commits don't keep the commit's message, and without it "
            "nothing would be tagged."
        )
        return [how, "", "> [!WARNING]", warning]
    return [how]


def _line(repository: Repository) -> str:
    branch = repository.branch()
    if branch is None:
        raise GitStateError("HEAD is detached: a release is proposed for a branch", fix="git switch main")
    entry = Journal(repository).read()
    if entry is not None and entry.commit is not None:
        raise GitStateError("a release was interrupted here", fix="finish it first: release bump")
    require_identity(repository)
    return branch


def _require_line(found: Survey, branch: str) -> None:
    if not any(fnmatchcase(branch, pattern) for pattern in (found.config.main, *found.config.maintenance)):
        raise GitStateError(
            f"releases are proposed for {found.config.main} and maintenance branches, not for {branch}",
            fix=f"git switch {found.config.main}, or name the branch under `maintenance` in release.yaml",
        )


def _is_tip(repository: Repository, to: Target) -> bool:
    """Tell whether HEAD is what the remote's branch leads to; ``False`` when the remote is further.

    Raises:
        GitStateError: HEAD has commits that the remote lacks.
    """
    there, head = fetch(repository, to), repository.head()
    if repository.text("rev-list", "--max-count=1", head, f"^{there}"):
        raise GitStateError(
            f"{to.branch} has commits here that {to.remote} lacks, so nothing can be proposed on top of them",
            fix=f"push them, or start from {to.remote}/{to.branch}",
        )
    return there == head


def _push(repository: Repository, plan: Plan, to: Target, branch: Target, time: int, step: Step) -> tuple[str, bool]:
    """Bring the release commit to its branch; return it and whether it had to be pushed.

    Raises:
        GitStateError: the branch has commits that ``release`` did not make and that would be lost.
    """
    message = commit_message(plan, proposed=True)
    step("look at the branch")
    there = tip(repository, branch)
    if there is not None:
        ours = repository.text("rev-list", "--first-parent", there, f"^{plan.base}").split()
        for sha in ours:
            known = recorded_at(repository, sha)
            if known.parents == (plan.base,) and known.text.strip() == message.strip():
                return there, False
        _refuse_foreign(repository, to, branch, there)
    tree = CommitTree(repository, plan.base)
    before = tree.read_many([edit.path for edit in plan.edits])
    files = {edit.path: edit.apply(before.get(edit.path)) for edit in plan.edits}
    step("commit")
    commit = commit_files(repository, plan.base, files, message, time)
    step("push the branch")
    replace(repository, branch, commit, there)
    return commit, True


def _refuse_foreign(repository: Repository, to: Target, branch: Target, there: str) -> None:
    for sha in repository.text("rev-list", "--no-merges", there, f"^{to.tracking}").split():
        known = recorded_at(repository, sha)
        if known.plan is None:
            raise GitStateError(
                f"{branch.remote}/{branch.branch} has the commit {sha[:12]} ({known.message.subject}), which release "
                "did not make and which a new plan would throw away",
                fix=f"merge the pull request as it is, or take the commit off the branch {branch.branch}",
            )


def _close(api: GitHubApi, plan: Plan, branch: str, base: str, step: Step) -> Proposed:
    step("look for the pull request")
    known = next(iter(api.open_pull_requests(branch, base)), None)
    if known is None:
        return Proposed("nothing", plan, branch)
    step("close the pull request")
    text = "Nothing is left to release: what was planned here was released otherwise, or taken back.\n"
    api.edit_pull_request(known.number, state="closed", body=text)
    return Proposed("closed", plan, branch, None, known)


def _open(api: GitHubApi, branch: str, base: str, title: str, text: str) -> PullRequest:
    opened: list[PullRequest] = []

    def look() -> bool:
        opened.extend(api.open_pull_requests(branch, base))
        return bool(opened)

    settle(
        look,
        lambda: opened.append(api.open_pull_request(branch, base, title=title, body=text)),
        sleep=api.http.sleep,
    )
    return opened[0]


def _dispatch(api: GitHubApi, check: str, branch: str, commit: str, step: Step) -> bool:
    """Start the workflow for ``commit`` unless that was done; tell whether it was done now.

    A branch that is pushed with a job's GITHUB_TOKEN starts no workflow by itself, but may by this.
    Source: https://docs.github.com/en/actions/concepts/security/github_token
    """
    step("look for the check")
    if api.has_dispatched(check, commit):
        return False
    step("start the check")
    settle(lambda: api.has_dispatched(check, commit), lambda: api.dispatch(check, branch), sleep=api.http.sleep)
    return True


def _digest(known: PullRequest) -> str | None:
    found = _MARK.search(known.body or "")
    return found[1] if found else None


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _deeper(text: str) -> str:
    """Return changelog text with headings that do not shout in a pull request."""
    return re.sub(r"^#+ ", "#### ", text, flags=re.MULTILINE)
