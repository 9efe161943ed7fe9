"""Execute generated workflows by act, without Docker and without a network.

Every action that a workflow uses is a stub, and so is every program that is not part of the machine; each call of one
is recorded with its whole environment. `release affected` and `release ci` are the real ones. The checkout is act's
own: it copies the repository. act: https://nektosact.com
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from scratch import Scratch

__all__ = ["ACT", "Acting", "Call", "Run"]

ACT = next(
    (
        found
        for folder in (str(Path(sys.executable).parent), None)
        if (found := shutil.which("act", path=folder)) is not None
    ),
    None,
)
"""The program act, of the environment or on PATH."""

_TOOLS = (
    "aws", "az", "cosign", "docker", "gcloud", "gh", "git-credential", "helm", "kubectl", "nox", "pipx", "rustup",
    "sudo", "terraform", "uses",
)  # fmt: skip
_STUB = """\
#!/bin/sh
# Records the call, then fails when FAIL (a pattern of "JOB PROGRAM ARGUMENTS") says so.
call="${0##*/} $*"
CALL="$call" env -0 > "$(mktemp "$RECORDS/XXXXXXXX")"
case "$GITHUB_JOB $call" in $FAIL) echo "stub: told to fail: $call"; exit 1;; esac
"""
_RELEASE = """\
case "$1 $2" in
    affected*|"ci "*) exec "$PYTHON" -m release "$@";;
    "tag "*) printf '%s\\n' "$TAGGED" >> "$GITHUB_OUTPUT";;
esac
"""
_NOWHERE = "http://127.0.0.1:9"
"""A proxy that isn't there, so that whatever is not a stub can't be fetched."""
_RUNNER = "ubuntu-24.04"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a stub: the job's id, the program with its arguments (``uses ACTION``), and its environment."""

    job: str
    command: str
    environment: Mapping[str, str]

    @property
    def inputs(self) -> Mapping[str, Any]:
        """The inputs of an action."""
        found: Mapping[str, Any] = json.loads(self.environment["INPUTS"])
        return found


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended: act's exit code, each job's results (one for each cell), what was printed, and all calls."""

    code: int
    results: Mapping[str, Sequence[str]]
    out: str
    calls: Sequence[Call]

    def of(self, job: str, command: str = "") -> list[Call]:
        """Return the calls of ``job`` that begin with ``command``."""
        return [call for call in self.calls if call.job == job and call.command.startswith(command)]

    def commands(self, start: str = "") -> list[str]:
        """Return the commands that begin with ``start``, in order."""
        return [call.command for call in self.calls if call.command.startswith(start)]


class Acting:
    """The workflows of a repository, generated for act, with stubs for all that they use."""

    def __init__(self, repository: Scratch, folder: Path) -> None:
        """Generate into ``folder``."""
        if ACT is None:
            pytest.skip("act is not here: ./dev installs it")
        self.repository = repository
        self.folder = folder
        self.workflows = folder / "workflows"
        repository.run("ci", "generate", "--dialect", "act", "--out", str(self.workflows)).ok()
        self._tools()
        self.stubs = self._actions()

    def model(self, workflow: str) -> Any:
        """Return what the workflow's file says."""
        return yaml.safe_load((self.workflows / f"{workflow}.yml").read_text())

    def tampered(self, workflow: str, model: Any) -> None:
        """Replace the workflow's file by one that says ``model``."""
        (self.workflows / f"{workflow}.yml").write_text(yaml.safe_dump(model, sort_keys=False))

    def run(
        self,
        workflow: str,
        event: str,
        payload: Mapping[str, Any],
        *,
        fail: str = "",
        tagged: Mapping[str, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Run:
        """Run the workflow as ``event`` with its webhook ``payload`` starts it.

        ``fail`` is a shell pattern of the call that fails, ``tagged`` the outputs of ``release tag``.
        """
        records = self.folder / "records"
        shutil.rmtree(records, ignore_errors=True)
        records.mkdir()
        (self.folder / "event.json").write_text(json.dumps(payload))
        (self.folder / "secrets").write_text("".join(f"{name}={value}\n" for name, value in (secrets or {}).items()))
        inputs = [f"--input={name}={value}" for name, value in payload.get("inputs", {}).items()]
        done = subprocess.run(
            [
                str(ACT), event, "--json", f"--workflows={self.workflows / workflow}.yml",
                f"--eventpath={self.folder / 'event.json'}", f"--platform={_RUNNER}=-self-hosted",
                "--no-cache-server", "--container-daemon-socket=-", *inputs,
                *(f"--local-repository={pin}={stub}" for pin, stub in self.stubs.items()),
                f"--secret-file={self.folder / 'secrets'}",
            ],
            cwd=self.repository.path,
            env={
                **self.repository.environment,
                "PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "XDG_CACHE_HOME": str(self.folder / "cache"),
                "HTTP_PROXY": _NOWHERE,
                "HTTPS_PROXY": _NOWHERE,
                "PYTHON": sys.executable,
                "RECORDS": str(records),
                "FAIL": fail,
                "TAGGED": "\n".join(f"{name}={value}" for name, value in (tagged or {}).items()),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )  # fmt: skip
        lines = [_line(text) for text in done.stdout.splitlines()]
        results: dict[str, list[str]] = {}
        for line in lines:
            if "jobResult" in line:
                results.setdefault(line["jobID"], []).append(line["jobResult"])
        said = "\n".join(str(line.get("msg", "")).rstrip() for line in lines)
        return Run(done.returncode, results, said, [_call(path) for path in sorted(records.iterdir(), key=_age)])

    def _tools(self) -> None:
        folder = self.folder / "bin"
        folder.mkdir()
        for name, text in {**dict.fromkeys(_TOOLS, _STUB), "release": _STUB + _RELEASE}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def _actions(self) -> dict[str, Path]:
        """Write a stub for each action that the workflows use; return each repository at its pin with its stub."""
        found: dict[str, set[str]] = {}
        for path in sorted(self.workflows.glob("*.yml")):
            for job in yaml.safe_load(path.read_text())["jobs"].values():
                for step in job["steps"]:
                    if "uses" in step:
                        found.setdefault(step["uses"], set()).update(step.get("with", {}))
        stubs: dict[str, Path] = {}
        for uses, inputs in found.items():
            name, _, pin = uses.partition("@")
            repository = "/".join(name.split("/")[:2])
            stubs[f"{repository}@{pin}"] = self.folder / "actions" / repository
            stub = self.folder / "actions" / name
            stub.mkdir(parents=True, exist_ok=True)
            step = {"run": f"uses {name}", "shell": "bash", "env": {"INPUTS": "${{ toJSON(inputs) }}"}}
            action = {
                "name": name,
                "description": "A stub that records how it is used.",
                "inputs": {one: {"description": one, "required": False} for one in sorted(inputs)},
                "runs": {"using": "composite", "steps": [step]},
            }
            (stub / "action.yml").write_text(yaml.safe_dump(action))
        return stubs


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"msg": text}
    return found if isinstance(found, dict) else {"msg": text}


def _call(path: Path) -> Call:
    pairs = (pair.partition("=") for pair in path.read_bytes().decode(errors="replace").split("\0") if pair)
    environment = {name: value for name, _, value in pairs}
    return Call(environment.get("GITHUB_JOB", ""), environment["CALL"].strip(), environment)


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns
