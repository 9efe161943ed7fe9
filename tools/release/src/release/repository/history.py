"""History as one streamed git process, kept in a side index of immutable facts.

A commit's parents, message and changed paths never change, so they are stored below the common git directory and
read again from there. The index is safe to delete at any time; a damaged one is ignored.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from release.model.commit import Commit, Touch
from release.repository.git import Repository

__all__ = ["Graph", "History"]

_FORMAT = b"release-index-3\n"
_EVERYTHING: frozenset[str] = frozenset({""})


@dataclass(frozen=True, slots=True)
class Graph:
    """All commits reachable from ``tip``, children before parents."""

    tip: str
    order: tuple[str, ...]
    parents: dict[str, tuple[str, ...]]


@dataclass(slots=True)
class _Index:
    tip: str = ""
    order: tuple[str, ...] = ()
    parents: dict[str, tuple[str, ...]] = field(default_factory=dict)
    coverage: list[frozenset[str]] = field(default_factory=list)
    covered: dict[str, int] = field(default_factory=dict)
    """For each commit read, the position in ``coverage`` of the paths below which its changes are known."""
    facts: dict[str, tuple[int, str, tuple[Touch, ...]]] = field(default_factory=dict)
    numbers: dict[str, int | None] = field(default_factory=dict)
    searched: set[str] = field(default_factory=set)
    marked: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Time and message of those searched commits whose message has a footer of ours."""


_Stored = tuple[
    int,
    bytes,
    list[tuple[int, ...]],
    list[list[str]],
    list[int],
    list[tuple[int, int, str, tuple[Touch, ...]]],
    dict[str, int | None],
    bytes,
    list[tuple[int, int, str]],
]


class History:
    """Reads commits and their changes, each at most once."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._path = repository.private_dir / "index"
        self._index = self._load()
        self._dirty = False

    def graph(self, tip: str) -> Graph:
        """Return the commits reachable from ``tip``."""
        index = self._index
        if index.tip != tip:
            known = ["--ignore-missing", f"^{index.tip}"] if index.tip else []
            out = self._repository.run("rev-list", "--parents", "--topo-order", tip, *known).decode()
            new = [line.split(" ") for line in out.splitlines()]
            wanted = {tip}
            order = []
            for sha, *parents in new:
                index.parents[sha] = tuple(parents)
                order.append(sha)
                wanted.update(parents)
            wanted.difference_update(order)
            for sha in index.order:
                if sha in wanted:
                    order.append(sha)
                    wanted.update(index.parents[sha])
            index.tip, index.order = tip, tuple(order)
            index.parents = {sha: index.parents[sha] for sha in order}
            self._dirty = True
        return Graph(tip, index.order, index.parents)

    def commits(
        self,
        shas: Sequence[str],
        paths: frozenset[str] | None,
        progress: Callable[[int], None] = lambda _: None,
    ) -> dict[str, Commit]:
        """Return those of ``shas`` that change something below ``paths`` (``None``: anywhere), with what they change.

        Changes elsewhere may be among the touches. ``progress`` is told how many commits were read so far.
        """
        index = self._index
        wanted = _EVERYTHING if paths is None or "" in paths else paths
        enough = {i for i, known in enumerate(index.coverage) if known == _EVERYTHING or wanted <= known}
        missing = [sha for sha in shas if index.covered.get(sha, -1) not in enough]
        if missing:
            if wanted not in index.coverage:
                index.coverage.append(wanted)
            position = index.coverage.index(wanted)
            for count, (sha, time, message, touches) in enumerate(self._read(missing, wanted), 1):
                index.facts[sha] = (time, message, touches)
                if not count & 0x3FF:
                    progress(count)
            index.covered.update(dict.fromkeys(missing, position))
            self._dirty = True
        found: dict[str, Commit] = {}
        facts, parents = index.facts, index.parents
        for sha in shas:
            fact = facts.get(sha)
            if fact is not None:
                found[sha] = Commit(sha, parents[sha], *fact)
        return found

    def marked(self, shas: Sequence[str]) -> dict[str, Commit]:
        """Return those of ``shas`` whose message has a ``Release-…`` footer, without what they change."""
        index = self._index
        missing = [sha for sha in shas if sha not in index.searched]
        if missing:
            out = self._repository.run(
                "log", "--no-walk=unsorted", "--stdin", "-z", "--no-show-signature", "--no-patch", "--encoding=UTF-8",
                "--regexp-ignore-case", "--extended-regexp", "--grep=^Release-(As|Build|Component): ",
                "--format=%H%x00%ct%x00%B", data="".join(f"{sha}\n" for sha in missing).encode(),
            )  # fmt: skip
            fields = out.decode(errors="replace").split("\0")
            for at in range(0, len(fields) - 2, 3):
                index.marked[fields[at]] = (int(fields[at + 1]), fields[at + 2])
            index.searched.update(missing)
            self._dirty = True
        found = index.marked
        return {sha: Commit(sha, index.parents[sha], *found[sha], ()) for sha in shas if sha in found}

    def renames(self, sha: str) -> dict[str, str]:
        """Return the files that ``sha`` moved against its first parent, new path to old."""
        out = self._repository.run(
            "diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", "--no-commit-id", "-m",
            "--first-parent", "--root", sha,
        )  # fmt: skip
        tokens = out.decode(errors="surrogateescape").split("\0")
        return {tokens[i + 2]: tokens[i + 1] for i in range(0, len(tokens) - 2, 3)}

    def messages(self, shas: Sequence[str]) -> dict[str, str]:
        """Return the messages of ``shas``."""
        if not shas:
            return {}
        out = self._repository.run(
            "log", "--no-walk=unsorted", "--stdin", "-z", "--no-show-signature", "--encoding=UTF-8", "--format=%H%n%B",
            data="".join(f"{sha}\n" for sha in shas).encode(),
        )  # fmt: skip
        pairs = (record.split("\n", 1) for record in out.decode(errors="replace").split("\0") if record)
        return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}

    def numbers(self, names: Sequence[str], read: Callable[[bytes], int | None]) -> dict[str, int | None]:
        """Return what ``read`` finds in each of the blobs that ``names`` (``COMMIT:PATH``) lead to."""

        def find(missing: Sequence[str]) -> Iterator[int | None]:
            for content in self._repository.contents(missing):
                yield read(content) if content is not None else None

        return self.remembered(names, find)

    def remembered(
        self, facts: Sequence[str], find: Callable[[Sequence[str]], Iterable[int | None]]
    ) -> dict[str, int | None]:
        """Return the number that belongs to each of ``facts``; ``find`` is asked for those not known yet.

        A fact names what can never change: it begins with the commit that it is about.
        """
        known = self._index.numbers
        missing = list(dict.fromkeys(fact for fact in facts if fact not in known))
        if missing:
            known.update(zip(missing, find(missing), strict=True))
            self._dirty = True
        return {fact: known[fact] for fact in facts}

    def any_trailer(self, tips: Sequence[str]) -> bool:
        """Tell whether some commit in the history of ``tips`` names a release in a trailer."""
        known = self._index.numbers
        for tip in tips:
            if f"{tip} trailers" not in known:
                out = self._repository.run("rev-list", "--max-count=1", "--grep=^Release-Component: ", tip)
                known[f"{tip} trailers"] = int(bool(out))
                self._dirty = True
        return any(known[f"{tip} trailers"] for tip in tips)

    def save(self) -> None:
        """Write the side index, unless nothing new was learnt, the clone is shallow or the folder is read-only.

        It holds text: commits that touch a path which is not UTF-8 are left out and read anew each time.
        """
        if not self._dirty or self._repository.shallow:
            return
        import msgspec

        index = self._index
        position = {sha: i for i, sha in enumerate(index.order)}
        size = len(index.tip) // 2
        odd = {sha for sha, (_, _, touches) in index.facts.items() if not _is_text("".join([p for _, p in touches]))}
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError, UnicodeEncodeError):
            body = msgspec.msgpack.encode(
                (
                    size,
                    bytes.fromhex("".join(index.order)),
                    [[position[parent] for parent in index.parents[sha]] for sha in index.order],
                    [sorted(paths) for paths in index.coverage],
                    [-1 if sha in odd else index.covered.get(sha, -1) for sha in index.order],
                    [(position[sha], *fact) for sha, fact in index.facts.items() if sha in position and sha not in odd],
                    index.numbers,
                    bytes(sha in index.searched for sha in index.order),
                    [(position[sha], *fact) for sha, fact in index.marked.items() if sha in position],
                )
            )
            self._path.parent.mkdir(exist_ok=True)
            temporary.write_bytes(_FORMAT + zlib.crc32(body).to_bytes(4, "big") + body)
            temporary.replace(self._path)
        self._dirty = False

    def _load(self) -> _Index:
        try:
            data = self._path.read_bytes()
        except OSError:
            return _Index()
        start = len(_FORMAT) + 4
        body = memoryview(data)[start:]
        if not data.startswith(_FORMAT) or zlib.crc32(body).to_bytes(4, "big") != data[len(_FORMAT) : start]:
            return _Index()
        import msgspec

        size, shas, parents, coverage, covered, facts, numbers, searched, marked = msgspec.msgpack.decode(
            body, type=_Stored
        )
        text = shas.hex()
        order = tuple([text[i : i + 2 * size] for i in range(0, len(text), 2 * size)])
        return _Index(
            order[0] if order else "",
            order,
            {sha: tuple([order[i] for i in of]) for sha, of in zip(order, parents, strict=True)},
            [frozenset(paths) for paths in coverage],
            {sha: known for sha, known in zip(order, covered, strict=True) if known >= 0},
            {order[i]: (time, message, touches) for i, time, message, touches in facts},
            numbers,
            {sha for sha, known in zip(order, searched, strict=True) if known},
            {order[i]: (time, message) for i, time, message in marked},
        )

    def _read(self, shas: Sequence[str], paths: frozenset[str]) -> Iterator[tuple[str, int, str, tuple[Touch, ...]]]:
        limits = [] if paths == _EVERYTHING else ["--", *sorted(paths)]
        chunks = self._repository.stream(
            "--literal-pathspecs", "diff-tree", "--stdin", "-r", "-z", "--root", "-c", "--no-renames", "--name-status",
            "--encoding=UTF-8", "--format=%H%x00%ct%x00%B%x00", *limits,
            lines=shas,
        )  # fmt: skip
        return _records(_tokens(chunks))


def _tokens(chunks: Iterable[bytes]) -> Iterator[str]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\0")
        for token in whole:
            yield token.decode(errors="surrogateescape")


def _is_text(text: str) -> bool:
    """Tell whether ``text`` was UTF-8, that is, holds no surrogates in place of bytes."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _records(tokens: Iterator[str]) -> Iterator[tuple[str, int, str, tuple[Touch, ...]]]:
    """Group the NUL-separated output of ``diff-tree``: a header of three tokens, then pairs of status and path.

    A status is made of capital letters, one for each parent; all else where a status could stand is the SHA of the
    next commit.
    """
    sha, time, message = "", 0, ""
    touches: list[Touch] = []
    for token in tokens:
        head = token.lstrip("\n")
        if not head:
            continue
        if head[0].isupper():
            touches.append((head[0], next(tokens)))
            continue
        if touches:
            yield sha, time, message, tuple(touches)
            touches = []
        sha, time, message = head, int(next(tokens)), next(tokens)
        if not _is_text(message):
            message = message.encode(errors="surrogateescape").decode(errors="replace")
    if touches:
        yield sha, time, message, tuple(touches)
