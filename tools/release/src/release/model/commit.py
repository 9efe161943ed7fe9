"""Commits as read from git, and what their messages say."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Change", "Commit", "Message", "Touch"]


Touch = tuple[str, str]
"""Git's letter for what happened to a path (``A``, ``M``, ``D``, ``T``), and the path."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit with the paths it changed against its parent (a merge: those unlike all of its parents)."""

    sha: str
    parents: tuple[str, ...]
    time: int
    """Committer time in seconds since the epoch."""
    message: str
    touches: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One change that a message describes, as Conventional Commits 1.0 defines it.

    ``type`` is lower case, ``""`` for a message that is not conventional. ``from_body`` is set for the entries of
    a squash commit's list.
    """

    type: str
    scope: str
    description: str
    breaking: str | None = None
    """What breaks: the footer's text, or the description for a bare ``!``; ``None`` when nothing does."""
    from_body: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """All that a commit message says to a release."""

    subject: str
    changes: tuple[Change, ...]
    footers: tuple[tuple[str, str], ...] = ()
    reverts: tuple[str, ...] = ()
    """Abbreviated or full SHAs of reverted commits, lower case."""
    reverts_pull: int | None = None
    picked_from: tuple[str, ...] = ()
    """SHAs that ``git cherry-pick -x`` names."""
    pull: int | None = None
    """The pull request's number in the subject, ``(#12)``."""
    release_as: tuple[tuple[str | None, str], ...] = ()
    """(component or ``None`` for all touched, version) of each ``Release-As`` footer."""
    released: tuple[tuple[str, str, int | None], ...] = ()
    """(component, version, build number) of each ``Release-Component`` trailer: a release with a tag."""
    rebuilt: tuple[tuple[str, str, int | None], ...] = ()
    """The same of each ``Release-Build`` trailer: only the build number rose, there is no tag."""

    def footer(self, token: str) -> str | None:
        """Return the value of the first footer named ``token``, compared without case."""
        return next((value for name, value in self.footers if name.lower() == token.lower()), None)
