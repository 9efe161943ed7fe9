"""Releases as the trailers of their commits tell them, tags or no tags."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from release.model.commit import Message
from release.planning.conventional import parse_message
from release.repository.git import Repository
from release.workspace.config import CONFIG, Config, load

__all__ = ["Recorded", "recorded_at", "recorded_before", "tag_names"]

_FIELDS = "--format=%H%x00%P%x00%ct%x00%B"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A commit that may say that it is a release.

    ``time`` is the committer's, in seconds since the epoch.
    """

    commit: str
    parents: tuple[str, ...]
    time: int
    text: str
    message: Message

    @property
    def plan(self) -> str | None:
        """The digest of the plan that the commit did."""
        return self.message.footer("Release-Plan")

    @property
    def base(self) -> str | None:
        """The commit that the plan was made for: what the commit says, or else its parent."""
        return self.message.footer("Release-Base") or (self.parents[0] if self.parents else None)


def tag_names(repository: Repository, recorded: Sequence[Recorded]) -> list[tuple[str, ...]]:
    """Return the tag of each component that each of ``recorded`` released, by the configuration that it had then."""
    known: dict[bytes | None, Config] = {}
    names = []
    contents = repository.contents([f"{found.commit}:{CONFIG}" for found in recorded])
    for found, content in zip(recorded, contents, strict=True):
        if content not in known:
            known[content] = load(content)
        names.append(
            tuple(
                known[content].tag_format(component).replace("{version}", version)
                for component, version, _ in found.message.released
            )
        )
    return names


def recorded_before(repository: Repository, *tips: str) -> list[Recorded]:
    """Return the commits in the history of ``tips`` that released a component under a tag, children first."""
    out = repository.run(
        "log", "-z", "--topo-order", "--no-patch", "--no-show-signature", "--encoding=UTF-8",
        "--regexp-ignore-case", "--grep=^Release-Component: ", _FIELDS, *tips,
    )  # fmt: skip
    return [found for found in _read(out) if found.message.released]


def recorded_at(repository: Repository, commit: str) -> Recorded:
    """Return what ``commit`` says of itself."""
    arguments = ("-z", "--no-walk", "--no-patch", "--no-show-signature", "--encoding=UTF-8", _FIELDS)
    return next(_read(repository.run("log", *arguments, commit)))


def _read(out: bytes) -> Iterator[Recorded]:
    fields = out.decode(errors="replace").split("\0")
    for at in range(0, len(fields) - 3, 4):
        sha, parents, time, text = fields[at : at + 4]
        yield Recorded(sha, tuple(parents.split()), int(time), text, parse_message(text))
