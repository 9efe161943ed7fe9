"""Commit messages in the mix a long-lived monorepo has: conventional, nearly conventional and not at all."""

from __future__ import annotations

from enum import IntEnum
from random import Random

VERBS = (
    "keep", "add", "drop", "sort", "cache", "check", "split", "rename", "speed up", "document", "guard",
    "show",
)  # fmt: skip
OBJECTS = (
    "the grade rows", "an empty roster", "late submissions", "the privacy export", "a second locale",
    "the upload path", "retries after a timeout", "the settings page", "an index on userid",
    "the default of 30 days", "naïve quotes “x”",
)  # fmt: skip
FOOTERS = ("Refs: #{}", "Closes #{}", "Reviewed-by: Robin Reviewer <robin@example.org>", "Change-Id: I{:08x}")
QUIET_TYPES = ("chore", "docs", "test", "refactor", "ci", "build", "style")


class Level(IntEnum):
    """How much of a version a change moves."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


def sentence(rng: Random) -> str:
    """Return a few words that could be a commit's description."""
    return f"{rng.choice(VERBS)} {rng.choice(OBJECTS)}"


def any_level(rng: Random) -> Level:
    """Return the level of an ordinary commit."""
    return rng.choices(tuple(Level), (36, 38, 25, 1))[0]


def conventional(rng: Random, level: Level, scope: str, *, agreed: bool = False) -> str:
    """Return a conventional commit message of exactly `level`, with or without scope, body and footers.

    `agreed` leaves out the footer `BREAKING-CHANGE`, which the specification has and nx doesn't know.
    """
    match level:
        case Level.NONE:
            kind = rng.choice(QUIET_TYPES)
        case Level.PATCH:
            kind = rng.choices(("fix", "perf"), (10, 1))[0]
        case Level.MINOR:
            kind = "feat"
        case Level.MAJOR:
            kind = rng.choice(("feat", "fix", "refactor"))
    marked = level is Level.MAJOR and rng.random() < 0.7
    words = rng.choices((f"({scope})", "", "(ui)", "(deps)"), (70, 15, 10, 5))[0]
    parts = [f"{kind}{words}{'!' if marked else ''}: {sentence(rng)}"]
    if rng.random() < 0.4:
        parts.append(
            "\n".join(f"It used to {sentence(rng)}, which nobody asked for." for _ in range(rng.randint(1, 4)))
        )
    elif rng.random() < 0.04:
        parts.append("\n".join(f"* {kind}: {sentence(rng)}" for _ in range(rng.randint(2, 4))))
    footers = [rng.choice(FOOTERS).format(rng.randrange(1, 9999)) for _ in range(rng.choice((0, 0, 1, 2)))]
    if level is Level.MAJOR and not marked:
        token = rng.choice(("BREAKING CHANGE", "BREAKING-CHANGE"))
        token = "BREAKING CHANGE" if agreed else token
        footers.insert(0, f"{token}: callers must {sentence(rng)}\n  before the next upgrade")
    if footers:
        parts.append("\n".join(footers))
    return "\n\n".join(parts) + "\n"


def unconventional(rng: Random, scope: str) -> str:
    """Return a message that is no conventional commit, although some look like one."""
    return rng.choice((
        f"MDL-{rng.randrange(1000, 90000)} {scope}: {sentence(rng)}\n",
        f"{sentence(rng).capitalize()}\n",
        f"WIP {sentence(rng)}\n\nfeature: not the header, so it says nothing\n",
        f"{scope} : {sentence(rng)}\n",
    ))  # fmt: skip


def revert(rng: Random, message: str, sha: str) -> str:
    """Return the message of a commit that reverts the commit `sha` with `message`, in either usual form."""
    header = message.split("\n", 1)[0]
    first = f'Revert "{header}"' if rng.random() < 0.6 else f"revert: {header}"
    return f"{first}\n\nThis reverts commit {sha}.\n"


def merge(rng: Random, topic: str) -> str:
    """Return the message of a merge of the branch `topic`, in git's or GitHub's form.

    GitHub's second paragraph is the pull request's title. It is no conventional commit here: release-please
    would count it for every component, a merge having no files of its own, and be wrong for that alone.
    """
    if rng.random() < 0.5:
        return f"Merge branch '{topic}'\n"
    title = sentence(rng).capitalize()
    return f"Merge pull request #{rng.randrange(1, 9999)} from someone/{topic}\n\n{title}\n"
