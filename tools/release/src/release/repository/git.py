"""A repository on disk, through GitPython's process layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from subprocess import PIPE
from typing import IO, TYPE_CHECKING, cast

from release.errors import GitStateError

if TYPE_CHECKING:
    import git

__all__ = ["GitFailed", "Repository"]

_ENVIRONMENT = {"GIT_OPTIONAL_LOCKS": "0", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_TERMINAL_PROMPT": "0"}


class GitFailed(GitStateError):
    """A git command failed; ``stderr`` is what it said."""

    def __init__(self, arguments: Sequence[str], code: int, stderr: str) -> None:
        last = stderr.strip().splitlines() or [f"exit code {code}"]
        super().__init__(f"git {arguments[0]} failed: {last[-1]}", fix="see what git says above and mend it")
        self.code = code
        self.stderr = stderr


class Repository:
    """One git repository (main work tree, linked work tree or submodule) and the commands run in it."""

    def __init__(self, repo: git.Repo) -> None:
        self._repo = repo
        self.root = Path(cast(str, repo.working_tree_dir))

    @classmethod
    def open(cls, start: Path) -> Repository:
        """Return the repository that ``start`` is in.

        Raises:
            GitStateError: there is none, or it has no work tree.
        """
        import git

        try:
            repo = git.Repo(start, search_parent_directories=True)
        except git.exc.InvalidGitRepositoryError:
            raise GitStateError(f"{start} is not in a git repository", fix="run release inside one") from None
        except git.exc.NoSuchPathError:
            raise GitStateError(f"there is no folder {start}", fix="name an existing folder") from None
        if repo.bare or repo.working_tree_dir is None:
            raise GitStateError(f"{start} is a bare repository", fix="run release in a clone with a work tree")
        return cls(repo)

    def run(
        self,
        *arguments: str,
        data: bytes | None = None,
        env: Mapping[str, str] | None = None,
        ok: Sequence[int] = (0,),
    ) -> bytes:
        """Return what ``git *arguments`` writes to its standard output, given ``data`` as input.

        Raises:
            GitFailed: it exits with a code not in ``ok``.
        """
        process = self._start(arguments, env)
        out, err = process.communicate(data or b"")
        if process.returncode not in ok:
            raise GitFailed(arguments, process.returncode, err.decode(errors="replace"))
        return cast(bytes, out)

    def text(self, *arguments: str, data: bytes | None = None, ok: Sequence[int] = (0,)) -> str:
        """Return the output of a command as stripped text."""
        return self.run(*arguments, data=data, ok=ok).decode(errors="surrogateescape").strip()

    def stream(self, *arguments: str, lines: Iterable[str]) -> Iterator[bytes]:
        """Yield chunks of a command's output while ``lines`` are fed to its input from a thread of its own.

        Raises:
            GitFailed: the command fails.
        """
        from threading import Thread

        process = self._start(arguments, None)

        def feed() -> None:
            stdin = cast(IO[bytes], process.stdin)
            try:
                stdin.write("".join(f"{line}\n" for line in lines).encode())
                stdin.close()
            except BrokenPipeError:
                pass

        errors: list[bytes] = []
        feeder = Thread(target=feed, daemon=True)
        listener = Thread(target=lambda: errors.append(cast(IO[bytes], process.stderr).read()), daemon=True)
        feeder.start()
        listener.start()
        stdout = cast(IO[bytes], process.stdout)
        while chunk := stdout.read(1 << 20):
            yield chunk
        listener.join()
        code = process.wait()
        if code:
            raise GitFailed(arguments, code, b"".join(errors).decode(errors="replace"))

    def contents(self, names: Sequence[str]) -> list[bytes | None]:
        """Return the object contents that ``names`` (any revision syntax) lead to, ``None`` where there is none.

        ``cat-file --batch`` takes a name for a line, so names of several lines are looked up one by one before.
        """
        if not names:
            return []
        found: list[bytes | None] = []
        lines = [self._object(name) if "\n" in name else name for name in names]
        data = self.run(
            "cat-file", "--batch", data="".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
        )
        position = 0
        for _ in names:
            end = data.index(b"\n", position)
            words = data[position:end].split(b" ")
            position = end + 1
            if words[-1] in (b"missing", b"ambiguous"):
                found.append(None)
                continue
            size = int(words[2])
            found.append(data[position : position + size])
            position += size + 1
        return found

    def head(self) -> str:
        """Return the SHA of HEAD.

        Raises:
            GitStateError: there is no commit yet.
        """
        try:
            return self.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        except GitFailed:
            raise GitStateError("the repository has no commit yet", fix="commit the components first") from None

    def branch(self) -> str | None:
        """Return the short name of the branch that HEAD is on, ``None`` when it is detached."""
        return self.text("symbolic-ref", "--quiet", "HEAD", ok=(0, 1)).removeprefix("refs/heads/") or None

    def resolve(self, revision: str) -> str:
        """Return the SHA of the commit that ``revision`` names.

        Raises:
            GitStateError: there is no such commit here.
        """
        try:
            return self.text("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        except GitFailed:
            raise GitStateError(
                f"there is no commit {revision!r} here",
                fix="check the name, or fetch it: git fetch --tags origin",
            ) from None

    def _object(self, name: str) -> str:
        """Return the id of the object that ``name`` leads to, ``""`` when there is none."""
        return self.text("rev-parse", "--verify", "--quiet", "--end-of-options", name, ok=(0, 1, 128))

    @cached_property
    def common_dir(self) -> Path:
        """The git directory which all work trees share; our own files live in ``release/`` below it."""
        return Path(self._repo.common_dir)

    @cached_property
    def private_dir(self) -> Path:
        """The folder below the common git directory for the lock, the journal and the side index."""
        return self.common_dir / "release"

    @property
    def shallow(self) -> frozenset[str]:
        """The commits at which a shallow clone's history was cut; empty for a full clone."""
        path = self.common_dir / "shallow"
        return frozenset(path.read_text().split()) if path.exists() else frozenset()

    def _start(self, arguments: Sequence[str], env: Mapping[str, str] | None) -> git.Git.AutoInterrupt:
        return self._repo.git.execute(
            ["git", *arguments], as_process=True, istream=PIPE, env={**_ENVIRONMENT, **(env or {})}
        )
