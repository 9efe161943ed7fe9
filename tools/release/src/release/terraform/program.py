"""The ``terraform`` program: run in one root, without questions, with what it says read as data.

The machine-readable output is used throughout (https://developer.hashicorp.com/terraform/internals/machine-readable-ui),
because what Terraform prints for people has the values of attributes in it.
"""

from __future__ import annotations

import json
import posixpath
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from release.errors import Place, PlanStale, ReleaseError, TerraformFailed

__all__ = ["StateId", "Terraform"]

_SETTINGS = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1", "NO_COLOR": "1"}
_LOGS = {"TF_LOG": "", "TF_LOG_CORE": "", "TF_LOG_PROVIDER": ""}
"""Terraform's own log holds requests with their secrets, so it is off."""
_STALE = ("Saved plan is stale", "Saved plan does not match the given state")
_LOCKED = "Error acquiring the state lock"
_SHOWN = ("apply_start", "apply_complete", "apply_errored", "provision_start", "provision_errored")
_RESULT = re.compile(r" \[[^\]]*\]$")
_AGAIN = "plan again, have it reviewed and apply that"


@dataclass(frozen=True, slots=True)
class StateId:
    """Which state it is: its lineage stays for life, its serial grows with each change."""

    lineage: str
    serial: int


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int
    diagnostics: tuple[dict[str, Any], ...]
    changes: Mapping[str, int]
    rest: str


@dataclass(frozen=True, slots=True)
class Terraform:
    """Terraform in one root.

    ``folder`` is the root on disk and ``root`` its path from the repository's top, for places in messages. ``say`` gets
    a line for each thing that happens to a resource.
    """

    program: str
    folder: Path
    root: str
    environment: Mapping[str, str] = field(repr=False)
    say: Callable[[str], None]

    def version(self) -> str:
        """Return the program's version.

        Raises:
            TerraformFailed: there is no such program, or it does not say.
        """
        out = self._output("version", "-json")
        try:
            return str(json.loads(out)["terraform_version"])
        except (ValueError, KeyError, TypeError):
            raise TerraformFailed(
                f"{self.program} does not say which version it is", fix="name Terraform 1.1 or newer with --terraform"
            ) from None

    def init(self, backend: str | None) -> None:
        """Make the root ready with the providers of its lock file; ``backend`` is a file of backend settings.

        Raises:
            TerraformFailed: Terraform refuses.
        """
        settings = [f"-backend-config={backend}"] if backend else []
        self._output("init", "-input=false", "-no-color", "-lockfile=readonly", "-reconfigure", *settings)

    def plan(self, out: Path, variables: str | None, *, lock: bool) -> bool:
        """Write a plan to ``out`` and return whether it has changes; ``variables`` is a file of variables.

        Raises:
            TerraformFailed: Terraform fails, or the state is locked.
        """
        files = [f"-var-file={variables}"] if variables else []
        ended = self._streamed(
            "plan", "-input=false", "-json", "-detailed-exitcode", f"-lock={str(lock).lower()}", f"-out={out}", *files
        )
        if ended.code not in (0, 2):
            raise self._error("plan", ended)
        return ended.code == 2

    def show(self, plan: Path) -> dict[str, Any]:
        """Return the plan as data; it has secrets in it.

        Raises:
            TerraformFailed: it is no plan that this version and these providers can read.
        """
        try:
            shown: dict[str, Any] = json.loads(self._output("show", "-json", "-no-color", str(plan)))
        except ValueError:
            raise TerraformFailed("terraform show printed no JSON", fix="see that --terraform is Terraform") from None
        return shown

    def state(self) -> StateId | None:
        """Return which state is the current one, ``None`` where there is none yet.

        Raises:
            TerraformFailed: it can't be read.
        """
        out = self._output("state", "pull")
        if not out.strip():
            return None
        try:
            state = json.loads(out)
            return StateId(str(state["lineage"]), int(state["serial"]))
        except (ValueError, KeyError, TypeError):
            raise TerraformFailed("terraform state pull printed no state", fix="look at the backend") from None

    def apply(self, plan: Path) -> Mapping[str, int]:
        """Apply exactly ``plan``; return how many resources were added, changed and removed.

        Raises:
            PlanStale: the state is another than the plan was made from; nothing was changed.
            TerraformFailed: Terraform failed; what was changed until then is in the state.
        """
        ended = self._streamed("apply", "-input=false", "-json", str(plan))
        if ended.code:
            raise self._error("apply", ended)
        return ended.changes

    def _output(self, *arguments: str) -> str:
        with self._started(arguments) as process, _forwarded(process):
            out, err = process.communicate()
        if process.returncode:
            raise self._failed(arguments[0], _text_error(err) or _text_error(out) or f"exit code {process.returncode}")
        return out

    def _streamed(self, *arguments: str) -> _Ended:
        diagnostics: list[dict[str, Any]] = []
        changes: dict[str, int] = {}
        with self._started(arguments, errors=subprocess.STDOUT) as process, _forwarded(process) as stopped:
            rest = ""
            for line in cast(IO[str], process.stdout):
                try:
                    event = json.loads(line)
                    kind = event["type"]
                except (ValueError, KeyError, TypeError):
                    rest = line.strip() or rest
                    continue
                if kind == "diagnostic":
                    diagnostics.append(event["diagnostic"])
                elif kind == "change_summary":
                    changes = {name: event["changes"][name] for name in ("add", "change", "remove")}
                elif kind in _SHOWN and event["hook"].get("action") != "read":
                    self.say(_RESULT.sub("", str(event["@message"])))
            code = process.wait()
        if stopped:
            raise TerraformFailed(
                f"terraform {arguments[0]} was interrupted and ended with code {code}",
                fix=f"what was done until then is in the state: {_AGAIN}"
                if arguments[0] == "apply"
                else "run it again",
            )
        return _Ended(code, tuple(diagnostics), changes, rest)

    @contextmanager
    def _started(self, arguments: Sequence[str], errors: int = subprocess.PIPE) -> Iterator[subprocess.Popen[str]]:
        """Start the program in a session of its own, so that a signal reaches it once, from here."""
        try:
            process = subprocess.Popen(
                [self.program, *arguments],
                cwd=self.folder,
                env={**self.environment, **_SETTINGS, **_LOGS},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise TerraformFailed(
                f"{self.program} can't be run: {error.strerror}",
                fix="install Terraform, or name it with --terraform or TERRAFORM",
            ) from None
        with process:
            yield process

    def _failed(self, what: str, why: str) -> TerraformFailed:
        return TerraformFailed(f"terraform {what} failed in {self.root or '.'}: {why}", fix="mend what Terraform says")

    def _error(self, what: str, ended: _Ended) -> ReleaseError:
        errors = [one for one in ended.diagnostics if one.get("severity") == "error"]
        if any(one.get("summary") in _STALE for one in errors):
            return PlanStale(f"Terraform says: {errors[0]['summary']}; nothing was changed", fix=_AGAIN)
        locked = next((one for one in errors if one.get("summary") == _LOCKED), None)
        if locked is not None:
            return self._locked(str(locked.get("detail", "")))
        if not errors:
            return self._failed(what, ended.rest or f"exit code {ended.code}")
        failed = self._failed(what, "; ".join(_sentence(one) for one in errors))
        fix = f"what was done until then is in the state: mend this, then {_AGAIN}" if what == "apply" else failed.fix
        if what == "apply" and (self.folder / "errored.tfstate").exists():
            fix = (
                f"the state could not be written and is in {posixpath.join(self.root, 'errored.tfstate')}: run "
                f"`terraform -chdir={self.root or '.'} state push errored.tfstate` before anything else"
            )
        return TerraformFailed(failed.what, where=[place for one in errors if (place := self._place(one))], fix=fix)

    def _locked(self, detail: str) -> TerraformFailed:
        known = dict(re.findall(r"^\s*(ID|Operation|Who|Created):\s*(\S.*?)\s*$", detail, re.MULTILINE))
        lock = known.get("ID", "ID")
        return TerraformFailed(
            f"the state of {self.root or '.'} is locked"
            + (f": {known['Operation']} by {known.get('Who', '?')} since {known.get('Created', '?')}" if known else ""),
            fix="wait until that run has ended; if it was killed, look at what it did, run "
            f"`terraform -chdir={self.root or '.'} force-unlock {lock}`, then {_AGAIN}",
        )

    def _place(self, diagnostic: Mapping[str, Any]) -> Place | None:
        span = diagnostic.get("range")
        if not isinstance(span, dict) or "filename" not in span:
            return None
        path = posixpath.normpath(posixpath.join(self.root, span["filename"]))
        start = span.get("start", {})
        return Place(path, int(start.get("line", 0)), int(start.get("column", 0)))


@contextmanager
def _forwarded(process: subprocess.Popen[str]) -> Iterator[list[int]]:
    """While the program runs, pass an interruption on to it, once, and let it end in order; yields the signals."""
    caught: list[int] = []

    def stop(number: int, _: object) -> None:
        if not caught:
            process.send_signal(signal.SIGINT)
        caught.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sentence(diagnostic: Mapping[str, Any]) -> str:
    return " ".join(f"{diagnostic.get('summary', '')}: {diagnostic.get('detail', '')}".split()).rstrip(": ")


def _text_error(text: str) -> str:
    """Return what the first "Error: …" block of Terraform's output for people says, on one line."""
    _, found, rest = text.partition("Error: ")
    if not found:
        return ""
    lines = [re.sub(r"^[│╷╵ ]+", "", line).strip() for line in rest.split("╵")[0].splitlines()]
    return " ".join(line for line in lines if line)
