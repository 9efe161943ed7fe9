"""Do what a plan says, all of it or nothing, and finish what a killed run began.

The order: the commit as an object that nothing refers to, the tags, the branch, the work tree, the push. The journal
names all of it beforehand. While this process lives, a failure undoes every step; when it is killed, the next run
either finds nothing done or goes on from the journal.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from release.errors import GitStateError, PlanRefused, PushRefused, StorageError
from release.flow.message import commit_message, tag_message
from release.flow.plan import make_plan
from release.flow.progress import Progress, silent
from release.flow.survey import Survey
from release.formats.plan_json import decode, digest, encode
from release.model.plan import Plan
from release.repository.git import Repository
from release.repository.journal import Entry, Journal
from release.repository.landing import (
    commit_files,
    create_tag,
    delete_tags,
    dirty,
    move_branch,
    require_identity,
    sync_tree,
)
from release.repository.leftovers import sweep
from release.repository.remote import Target, Unreachable, push, require_room, target
from release.repository.tree import CommitTree

__all__ = ["Landed", "Step", "apply", "no_step", "refuse_stale", "resume"]

Step = Callable[[str], None]
"""Told the name of each step just before it is done."""


def no_step(name: str) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Landed:
    """What a release left behind: its commit, its tags and, when pushed, where to."""

    plan: Plan
    commit: str
    tags: tuple[str, ...]
    pushed: Target | None


def refuse_stale(survey: Survey, plan: Plan) -> None:
    """Refuse ``plan`` unless the repository is exactly as it was when the plan was made.

    Beside what the plan names, the heads of other lines decide on build numbers: so the plan is made again from its
    own request and day, and has to be the same.

    Raises:
        PlanRefused: HEAD, the configuration or a component's tag is another, or the repository gives another plan.
        VersionRefused: a version of the plan is not possible any more.
    """
    for what, now, then in (
        ("HEAD", survey.head, plan.base),
        ("release.yaml", survey.config_digest, plan.config),
        ("the set of tags", survey.tags_digest, plan.tags),
    ):
        if now != then:
            raise PlanRefused(
                f"the repository has moved since the plan was made: {what} was {then[:12]} and is {now[:12]}",
                fix="plan again: release bump --plan-out FILE",
            )
    again = make_plan(survey, plan.request, dt.date.fromisoformat(plan.date), branch=plan.branch)
    if encode(again) != encode(plan):
        raise PlanRefused(
            "the repository has moved since the plan was made: it would give another plan now",
            fix="plan again: release bump --plan-out FILE",
        )


def apply(
    repository: Repository,
    plan: Plan,
    *,
    time: int,
    to_push: bool = False,
    earlier: Sequence[str] = (),
    folders: Sequence[str] = (),
    progress: Progress = silent,
    step: Step = no_step,
) -> Landed:
    """Land ``plan``: one commit, its tags, the work tree, and with ``to_push`` one atomic push.

    ``time`` (seconds since the epoch) is given to the commit and the tags. ``earlier`` are the tags of releases before
    this one that are pushed with it. ``folders`` are those in which an
    untracked file counts as dirt. Call it holding the lock.

    Raises:
        ReleaseError: nothing is changed then, here or on the remote.
    """
    branch = repository.branch()
    if branch is None:
        raise GitStateError("HEAD is detached: the release commit would be on no branch", fix="git switch BRANCH")
    if plan.branch != branch:
        raise PlanRefused(f"the plan is for {plan.branch or 'a detached HEAD'}, this is {branch}", fix="plan again")
    if repository.head() != plan.base:
        raise PlanRefused(f"the plan was made for {plan.base[:12]}, HEAD is {repository.head()[:12]}", fix="plan again")
    unclean = dirty(repository, folders)
    if unclean:
        shown = ", ".join(unclean[:10]) + (f" and {len(unclean) - 10} more" if len(unclean) > 10 else "")
        raise GitStateError(f"the work tree is dirty: {shown}", fix="commit, stash or remove these, then run again")
    require_identity(repository)
    tree = CommitTree(repository, plan.base)
    before = tree.read_many([edit.path for edit in plan.edits])
    files = {edit.path: edit.apply(before.get(edit.path)) for edit in plan.edits}
    for path in files:
        if path not in before and (repository.root / path).exists():
            raise GitStateError(f"{path} exists but is not tracked", fix=f"git add {path}, or remove it")
    to = target(repository, branch) if to_push else None
    if to is not None:
        step("ask the remote")
        require_room(repository, to, plan.base)
    journal = Journal(repository)
    entry = Entry(encode(plan).decode(), str(repository.root), time, to.remote if to else None, earlier=tuple(earlier))
    step("journal")
    journal.write(entry)
    try:
        step("commit")
        commit = commit_files(repository, plan.base, files, commit_message(plan), time)
        entry = entry.with_commit(commit)
        step("journal the commit")
        journal.write(entry)
        return _land(repository, journal, plan, entry, commit, to, progress, step)
    except Unreachable:
        raise
    except BaseException:
        if entry.commit is not None:
            _undo(repository, plan, entry.commit)
        journal.clear()
        raise


def resume(repository: Repository, *, progress: Progress = silent, step: Step = no_step) -> Landed | None:
    """Finish or clear away what a killed run left; return what was finished, ``None`` when there was nothing.

    Call it holding the lock.

    Raises:
        GitStateError: the run was in another work tree.
        ReleaseError: a step can't be done now; the journal stays.
    """
    journal = Journal(repository)
    entry = journal.read()
    if entry is None:
        journal.clear()
        return None
    plan = decode(entry.plan.encode())
    branch = plan.branch or ""
    refs = [f"refs/heads/{branch}", *(f"refs/tags/{tag}" for tag in _tags(plan))]
    sweep(repository, refs, journal.written)
    if entry.commit is None:
        journal.clear()
        return None
    if entry.root != str(repository.root):
        raise GitStateError(
            f"a release was interrupted in the work tree {entry.root}",
            fix=f"run release there: cd {entry.root}",
        )
    head, commit = repository.head(), entry.commit
    to = target(repository, branch) if entry.remote else None
    if head not in (plan.base, commit):
        if commit not in repository.text("rev-list", f"{plan.base}..{head}").split():
            delete_tags(repository, _tags(plan), commit)
            journal.clear()
            return None
        step("tags")
        _make_tags(repository, plan, commit, entry.time, progress, step)
        return _publish(repository, journal, plan, entry, commit, to, progress, step)
    if repository.branch() != plan.branch:
        raise GitStateError(
            f"a release of {plan.branch} was interrupted",
            fix=f"git switch {plan.branch}, then run release again",
        )
    return _land(repository, journal, plan, entry, commit, to, progress, step)


def _land(
    repository: Repository,
    journal: Journal,
    plan: Plan,
    entry: Entry,
    commit: str,
    to: Target | None,
    progress: Progress,
    step: Step,
) -> Landed:
    branch = plan.branch or ""
    step("tags")
    _make_tags(repository, plan, commit, entry.time, progress, step)
    step("branch")
    if repository.head() != commit:
        move_branch(repository, branch, plan.base, commit)
    step("work tree")
    sync_tree(repository, plan.base, commit, _paths(plan))
    return _publish(repository, journal, plan, entry, commit, to, progress, step)


def _publish(
    repository: Repository,
    journal: Journal,
    plan: Plan,
    entry: Entry,
    commit: str,
    to: Target | None,
    progress: Progress,
    step: Step,
) -> Landed:
    if to is not None:
        step("push")
        progress(f"pushing to {to.remote}", 0, 0)
        try:
            push(repository, to, commit, (*_tags(plan), *entry.earlier))
        except KeyboardInterrupt:
            raise Unreachable(
                f"interrupted while pushing to {to.remote}: it may have taken the release",
                fix="run the same command again: it finishes what is missing",
            ) from None
        except Unreachable:
            raise
        except PushRefused as error:
            undone = _undo(repository, plan, commit)
            journal.clear()
            if undone:
                raise
            raise PushRefused(
                f"{error.what}; the release {commit[:12]} stays, with its tags, since HEAD has commits on top of it",
                fix=f"git pull --no-rebase {to.remote} {to.branch} (the tags keep their commit), "
                "then release bump --push",
            ) from None
    step("done")
    journal.clear()
    return Landed(plan, commit, _tags(plan), to)


def _make_tags(repository: Repository, plan: Plan, commit: str, time: int, progress: Progress, step: Step) -> None:
    tagged = [(bump.tag, bump) for bump in plan.bumps if bump.tag is not None]
    made_by = digest(plan)
    for done, (tag, bump) in enumerate(tagged):
        progress("tagging", done, len(tagged))
        step(f"tag {tag}")
        message = tag_message(bump.component, str(bump.after), bump.build_after, made_by)
        create_tag(repository, tag, commit, message, time)


def _undo(repository: Repository, plan: Plan, commit: str) -> bool:
    """Take back all steps, as far as they were done; tell whether that could be.

    Somebody's commits on top of the release make it part of their history: then nothing is taken back.
    """
    head = repository.head()
    if head != commit and not repository.text("rev-list", "--max-count=1", commit, f"^{head}"):
        return False
    if head == commit:
        move_branch(repository, plan.branch or "", commit, plan.base)
    elif head != plan.base:
        delete_tags(repository, _tags(plan), commit)
        return True
    try:
        sync_tree(repository, commit, plan.base, _paths(plan))
    except (GitStateError, StorageError) as error:
        raise StorageError(
            f"the release failed and was taken back, but for the work tree: {error.what}",
            fix=f"{error.fix or 'mend that'}; then run release again: it finishes the release",
        ) from None
    finally:
        delete_tags(repository, _tags(plan), commit)
    return True


def _tags(plan: Plan) -> tuple[str, ...]:
    return tuple(bump.tag for bump in plan.bumps if bump.tag is not None)


def _paths(plan: Plan) -> tuple[str, ...]:
    return tuple(edit.path for edit in plan.edits)
