"""Tags and branches, read by one ``for-each-ref`` each."""

from __future__ import annotations

from dataclasses import dataclass

from release.repository.git import Repository

__all__ = ["Tag", "branches", "tags"]


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
    for line in out.splitlines():
        name, kind, sha, peeled_kind, peeled, time = line.split("\0")
        if "commit" in (kind, peeled_kind):
            found.append(Tag(name, sha if kind == "commit" else peeled, int(time or 0)))
    return found


def branches(repository: Repository) -> dict[str, str]:
    """Return the commits of local and remote-tracking branches by name without ``refs/heads/`` or ``refs/remotes/``."""
    out = repository.text(
        "for-each-ref", "--format=%(refname)%00%(objectname)%00%(symref)", "refs/heads", "refs/remotes"
    )
    found = {}
    for line in out.splitlines():
        ref, sha, symref = line.split("\0")
        if not symref:
            found[ref.split("/", 2)[2]] = sha
    return found
