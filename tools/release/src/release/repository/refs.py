"""Tags and branches, read by one ``for-each-ref`` each."""

from __future__ import annotations

from dataclasses import dataclass

from release.repository.git import Repository

__all__ = ["Branch", "Tag", "branches", "tags"]


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag: its short name, the commit it leads to and when it was made (seconds since the epoch)."""

    name: str
    commit: str
    time: int


def tags(repository: Repository) -> list[Tag]:
    """Return all tags that lead to a commit, sorted by name."""
    fields = ("refname:lstrip=2", "objecttype", "objectname", "*objecttype", "*objectname", "creatordate:unix")
    form = "%00".join(f"%({field})" for field in fields)
    out = repository.run("for-each-ref", f"--format={form}", "refs/tags").decode(errors="surrogateescape")
    found = []
    for line in out.split("\n")[:-1]:
        name, kind, sha, peeled_kind, peeled, time = line.split("\0")
        if peeled_kind == "tag":
            peeled = repository.text("rev-parse", "--verify", "--quiet", f"refs/tags/{name}^{{commit}}", ok=(0, 1, 128))
            peeled_kind = "commit" if peeled else ""
        if "commit" in (kind, peeled_kind):
            found.append(Tag(name, sha if kind == "commit" else peeled, int(time or 0)))
    return found


@dataclass(frozen=True, slots=True)
class Branch:
    """A local or remote-tracking branch: what git calls it, its name without the remote's, and its commit."""

    name: str
    line: str
    commit: str


def branches(repository: Repository) -> list[Branch]:
    """Return all local and remote-tracking branches."""
    form = "--format=%(refname)%00%(objectname)%00%(symref)"
    out = repository.run("for-each-ref", form, "refs/heads", "refs/remotes").decode(errors="surrogateescape")
    found = []
    for text in out.split("\n")[:-1]:
        ref, sha, symref = text.split("\0")
        _, kind, name = ref.split("/", 2)
        if not symref:
            found.append(Branch(name, name if kind == "heads" else name.partition("/")[2], sha))
    return found
