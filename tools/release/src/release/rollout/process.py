"""Runs helm, kubectl and checks so that a cancelled run leaves them at once and a killed one takes them along."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from release.rollout.target import Interrupted, StepFailed

__all__ = ["Cancellation", "Finished", "Programs", "catching_signals"]

_POLL = 0.1
_LEAVE = 2.0
_PR_SET_PDEATHSIG = 1
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(slots=True)
class Cancellation:
    """Whether the run was told to stop, and by which signal."""

    by: str = ""

    def requested(self) -> bool:
        """Tell whether the run was told to stop."""
        return bool(self.by)


@contextlib.contextmanager
def catching_signals(say: Callable[[str], None]) -> Iterator[Cancellation]:
    """Note SIGINT, SIGTERM and SIGHUP while inside, in place of ending: the way back has to be gone first.

    GitHub sends SIGINT, 7.5 s later SIGTERM, and kills 2.5 s after that
    (https://docs.github.com/en/actions/reference/workflow-cancellation-reference).
    """
    cancellation = Cancellation()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        first = not cancellation.requested()
        cancellation.by = cancellation.by or signal.Signals(number).name
        if first:
            say(f"{cancellation.by}: leaving this step; a rollback is never left")

    before = {number: signal.signal(number, note) for number in _SIGNALS}
    try:
        yield cancellation
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs programs in ``folder`` with ``environment``."""

    folder: Path
    environment: Mapping[str, str]
    cancellation: Cancellation

    def run(
        self,
        command: Sequence[str],
        *,
        timeout: float,
        data: str = "",
        interruptible: bool = False,
        shown: bool = False,
        extra: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run ``command`` for at most ``timeout`` seconds; ``shown`` lets its output through to standard error.

        It gets a session of its own, so that the signals of a terminal don't reach it before us, and on Linux it ends
        with this process.

        Raises:
            Interrupted: the run was cancelled, and the step is ``interruptible``.
            StepFailed: the program isn't there, or took too long.
        """
        try:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**self.environment, **(extra or {})},
                stdin=subprocess.PIPE if data else subprocess.DEVNULL,
                stdout=sys.stderr.fileno() if shown else subprocess.PIPE,
                stderr=sys.stderr.fileno() if shown else subprocess.PIPE,
                start_new_session=True,
                preexec_fn=_Tied(os.getpid()) if sys.platform == "linux" else None,  # noqa: PLW1509 - there is one thread
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise StepFailed(f"{command[0]} can't be run: {error.strerror}") from None
        try:
            out, err = self._wait(process, command[0], data, timeout, interruptible)
        except BaseException:
            _end(process)
            raise
        return Finished(process.returncode, out or "", err or "")

    def _wait(
        self, process: subprocess.Popen[str], name: str, data: str, timeout: float, interruptible: bool
    ) -> tuple[str, str]:
        end = time.monotonic() + timeout
        left: str | None = data or None
        while True:
            if interruptible and self.cancellation.requested():
                raise Interrupted
            if time.monotonic() > end:
                raise StepFailed(f"{Path(name).name} took longer than {timeout:.0f} s")
            try:
                return process.communicate(left, timeout=_POLL)
            except subprocess.TimeoutExpired:
                left = None


@dataclass(frozen=True, slots=True)
class _Tied:
    """Runs in the child before it becomes the program: it is killed when ``parent`` dies (prctl(2))."""

    parent: int

    def __call__(self) -> None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self.parent:
            os._exit(1)


_prctl: Callable[[int, int], int] = ctypes.CDLL(None).prctl if sys.platform == "linux" else lambda _option, _value: 0


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt the program and all that it started; kill what does not leave within two seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.communicate(timeout=_LEAVE)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
