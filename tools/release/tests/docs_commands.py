"""Run the commands that a document shows, and compare what they print with what it shows.

A block of the language ``console`` or ``sh`` is run line by line. In ``console``, lines that start with ``$ `` are
commands and the others what they print: white space and ruled lines don't count, ``…`` stands for any text, on a line
of its own for any number of lines, and nothing shown means that nothing is compared. Comments right above a block
decide:

``<!-- run: example -->``
    in a monorepo released once and changed since (``foreign``: one that never saw `release`; ``continued``: where the
    block before in the same document ended)
``<!-- exit: 7 -->``
    its last command ends with this code
``<!-- needs: terraform -->``
    it is run only where this program is
``<!-- run by: stack -->``
    this nox session runs it, with an engine at hand: it calls the tests of documents with DOCS_RUN_BY=stack
``<!-- tested by: crates/x/tests/y.rs -->``
    that test reads the document and runs its commands
``<!-- not run: reason -->``
    it can't be run in a test

Without a comment `./dev` is run in the checkout, if it only reads it, and `release` in a monorepo that never saw it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docs_example import REPOSITORY, environment, example, foreign
from docs_markdown import Block

__all__ = ["Session", "covered_by", "is_shell", "left_out", "run_by"]

_NOT_RUN = {
    r"\./dev nox(?! -l$| -s lock).*": "it runs all checks, this one among them",
    r"\./dev nox -s lock.*": "it asks the package index",
    r"\./dev ruff format": "it changes the checkout",
    r"pants .*": "the session `pants` runs it",
    r"pipx .*": "it installs from the network",
    r"release init": "it asks on the terminal",
    r"cargo .*": "the session `rust` runs it",
    r"cd your-monorepo": "it stands for the reader's own",
}
_READING = re.compile(
    r"\./dev (?:nox -l|release (?:--help|--version|(?:status|graph|affected|why|check|verify|changelog|config)\b.*"
    r"|bump\b.*--dry-run.*))"
)
_MAKERS: dict[str, Callable[[Path], Path]] = {"example": example, "foreign": foreign}
_RULED = re.compile(r"[\s─━═]*")


@dataclass(frozen=True, slots=True)
class _Command:
    """A command and the lines shown below it."""

    text: str
    shown: tuple[str, ...]


def is_shell(block: Block) -> bool:
    """Tell whether ``block`` holds commands."""
    return block.language in ("console", "sh")


def run_by(block: Block) -> str:
    """Return the nox session that runs ``block``; the empty text stands for those that test the documents."""
    return block.notes.get("run by", "")


def covered_by(block: Block) -> str:
    """Return the test outside this package that runs ``block``; the empty text stands for none."""
    return block.notes.get("tested by", "")


def left_out(block: Block) -> list[tuple[str, str]]:
    """Return the commands of ``block`` that are not run, each with the reason."""
    reason = block.notes.get("not run")
    if reason is not None:
        return [(command.text, reason) for command in _commands(block)]
    if "run" in block.notes or run_by(block) or covered_by(block):
        return []
    return [
        (command.text, why)
        for command in _commands(block)
        for pattern, why in _NOT_RUN.items()
        if re.fullmatch(pattern, command.text)
    ]


def _commands(block: Block) -> Iterator[_Command]:
    """Yield the commands of ``block``; one without any ``$ `` holds nothing but commands."""
    prompted = any(line.startswith("$ ") for line in block.lines)
    text = ""
    shown: list[str] = []
    for line in block.lines:
        if text.endswith("\\"):
            text = f"{text[:-1]}{line.strip()}"
        elif line.startswith("$ ") or (not prompted and line.strip() and not line.startswith("#")):
            if text:
                yield _Command(text, tuple(shown))
            text, shown = line.removeprefix("$ ").split("  #")[0].rstrip(), []
        elif prompted:
            shown.append(line)
    if text:
        yield _Command(text, tuple(shown))


@dataclass
class Session:
    """What reading one document from its beginning to its end does."""

    checkout: Path
    folder: Path
    templates: Path
    """Where each kind of repository is made once; sessions work on copies."""
    _place: Path | None = None
    _made: int = 0

    def run(self, block: Block) -> Iterator[str]:
        """Run the commands of ``block`` and yield a sentence for each that does not do what the document says."""
        if covered_by(block):
            return
        if "needs" in block.notes and shutil.which(block.notes["needs"]) is None:
            return
        skipped = {text for text, _ in left_out(block)}
        known = [command for command in _commands(block) if command.text not in skipped]
        if not known:
            return
        place, env = self._where(block)
        for number, command in enumerate(known):
            here, variables = place, env
            if "run" not in block.notes:
                if command.text.startswith("release "):
                    here, variables = self._fresh("foreign") if self._place is None else self._here()
                elif not _READING.fullmatch(command.text):
                    yield f"`{command.text}`: say where it is run, or why it isn't (see {__name__})"
                    continue
            expected = int(block.notes.get("exit", 0)) if number == len(known) - 1 else 0
            code, printed = _output(self._launched(command.text), here, variables)
            if code != expected:
                yield f"`{command.text}` ends with {code}, not {expected}:\n{printed}"
            elif command.shown and not _agree(command.shown, printed.splitlines()):
                yield f"`{command.text}` prints something else:\n{printed}"

    def _where(self, block: Block) -> tuple[Path, dict[str, str]]:
        kind = block.notes.get("run")
        if kind is None or kind == "checkout":
            return self.checkout, dict(os.environ, NO_COLOR="1")
        return self._here() if kind == "continued" else self._fresh(kind)

    def _fresh(self, kind: str) -> tuple[Path, dict[str, str]]:
        self._made += 1
        template = self.templates / kind
        if not template.exists():
            _MAKERS[kind](template)
        self._place = self.folder / str(self._made) / REPOSITORY
        shutil.copytree(template, self._place.parent)
        return self._here()

    def _here(self) -> tuple[Path, dict[str, str]]:
        assert self._place is not None, "nothing came before that could be continued"
        return self._place, environment(self._place.parent / "home")

    def _launched(self, text: str) -> str:
        """Return the command with this Python in place of `./dev` where that has made no environment yet."""
        if text.startswith("./dev ") and not (self.checkout / ".venv").exists():
            return f"{shlex.quote(sys.executable)} -m {text.removeprefix('./dev ')}"
        return text


def _output(text: str, folder: Path, env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def _agree(shown: tuple[str, ...], printed: list[str]) -> bool:
    """Tell whether ``printed`` are the lines ``shown``, where ``…`` stands for any text, alone for any lines."""
    pattern = "".join(
        "(?:.*\n)*?" if line == "…" else f"{'.*'.join(map(re.escape, line.split('…')))}\n" for line in _plain(shown)
    )
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in _plain(printed))) is not None


def _plain(lines: tuple[str, ...] | list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines if not _RULED.fullmatch(line)]
