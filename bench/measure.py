"""Wall time and peak memory of commands."""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream import quiet_environment

LINES_OF_REASON = 4
TIMED = Path(__file__).with_name("timed.py")


class CommandFailed(Exception):
    """A measured command ended badly or took too long."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One run: wall time in seconds, peak resident memory in MiB, and what it printed.

    `mebibytes` is of the largest process of the tree, `own_mebibytes` of the command's own process.
    """

    seconds: float
    mebibytes: float
    own_mebibytes: float
    output: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Several runs of one command."""

    samples: tuple[Sample, ...]

    @property
    def best(self) -> float:
        """Return the shortest time in seconds."""
        return min(sample.seconds for sample in self.samples)

    @property
    def median(self) -> float:
        """Return the median time in seconds."""
        return statistics.median(sample.seconds for sample in self.samples)

    @property
    def mebibytes(self) -> float:
        """Return the largest peak memory of a process in MiB."""
        return max(sample.mebibytes for sample in self.samples)

    @property
    def own_mebibytes(self) -> float:
        """Return the largest peak memory of the command's own process in MiB."""
        return max(sample.own_mebibytes for sample in self.samples)

    def ratio_to(self, other: Series) -> float:
        """Return the median of the ratios of runs that were made one after the other."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs)


def run(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str] | None = None,
    limit: float = 600,
    keep_output: bool = True,
) -> Sample:
    """Run `command` in `folder` and return what it took.

    `limit` is in seconds.

    Raises:
        CommandFailed: it ended with another code than 0, or not within `limit`.
    """
    with tempfile.TemporaryDirectory() as scratch:
        result, output, errors = (Path(scratch) / name for name in ("result", "output", "errors"))
        with output.open("wb") as out, errors.open("wb") as err:
            process = subprocess.Popen(
                (sys.executable, "-ISE", str(TIMED), str(result), *command),
                cwd=folder,
                env=quiet_environment() | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=out if keep_output else subprocess.DEVNULL,
                stderr=err,
                start_new_session=True,
            )
            try:
                process.wait(limit)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise CommandFailed(f"{command[0]} had not ended after {limit:.0f} s") from None
        if not result.exists():
            raise CommandFailed(f"{command[0]} could not be started: {_last_lines(errors)}")
        seconds, mebibytes, own, code = map(float, result.read_text(encoding="ascii").split())
        if code:
            reason = _last_lines(errors) or _last_lines(output) or "it says nothing"
            raise CommandFailed(f"{command[0]} ended with {code:.0f}: {reason}")
        return Sample(seconds, mebibytes, own, output.read_text(encoding="utf-8", errors="replace"))


def _last_lines(file: Path) -> str:
    lines = file.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-LINES_OF_REASON:]
    return "; ".join(line.strip() for line in lines)
