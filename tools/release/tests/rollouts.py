"""Repositories with a chart that is rolled out by the real command: to a scripted cluster, or to a real API server."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import scripted_cluster
from scratch import Result, Scratch

__all__ = ["DIGEST", "WORLDS", "Site", "absent", "until"]

WORLDS = ("scripted helm 3", "scripted helm 4", "real helm 3", "real helm 4")
DIGEST = "sha256:" + "ab" * 32

_CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: site\ndata:\n  message: {message}\n"
_REFUSED = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: refused\n  labels:\n    bad: not valid!\n"
_DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: never-ready
spec:
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      containers: [{name: site, image: "IMAGE"}]
"""
_WIDGET = "apiVersion: {group}/v1\nkind: Widget\nmetadata:\n  name: one\n"
_SECRET = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: key\nstringData:\n  password: {secret}\n"
_numbers = itertools.count()


def absent(world: str) -> str:
    """Return why ``world`` isn't here, or nothing when it is."""
    if world.startswith("real") and not os.environ.get("CLUSTER_KUBECONFIG"):
        return "no API server of our own is here: `./dev nox -s cluster` starts one"
    return ""


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    """Wait until ``what`` holds; fail when it never does."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


class Site:
    """A repository with the chart ``site`` and its stages, each a namespace of its own in one cluster.

    Widgets are known to a whole cluster: each site has an API group of its own for them.
    """

    def __init__(self, folder: Path, world: str, stages: tuple[str, ...] = ("canary", "prod")) -> None:
        self.scratch = Scratch(folder / "repo")
        self.real = world.startswith("real")
        self.major = world[-1]
        self.state = folder / "cluster.json"
        self.spaces = {name: f"{name}-{os.getpid()}-{next(_numbers)}" for name in stages}
        self.stages = stages
        self.group = f"site-{os.getpid()}-{next(_numbers)}.example.org"
        self.environment = {**self.scratch.environment, **self._programs(folder)}
        self.chart("first")
        self.configure()

    def configure(self, check: str = "true", helm: str | None = None, **stage: object) -> None:
        """Write ``release.yaml``; ``check`` is the check of every stage."""
        stages = [
            {"name": name, "environment": name, "namespace": self.spaces[name], "check": check, **stage}
            for name in self.stages
        ]
        rollout = {
            "chart": "site",
            "release": "site",
            "helm": helm or f"{self.major}.0.0",
            "timeout": 1,
            "stages": stages,
        }
        config = {"environments": {name: {} for name in self.stages}, "rollout": rollout}
        self.scratch.write({"release.yaml": json.dumps(config, indent=2)})
        self.scratch.git("add", "-A")

    def chart(
        self,
        message: str,
        *,
        refused: bool = False,
        hangs: bool = False,
        widget: bool = False,
        secret: str = "",
        image: str = f"example/site@{DIGEST}",
    ) -> None:
        """Write the chart: a ConfigMap with ``message``, and what is asked for beside it."""
        parts = {
            "config": _CONFIG_MAP.format(message=message),
            "refused": _REFUSED if refused else None,
            "deployment": _DEPLOYMENT.replace("IMAGE", image) if hangs else None,
            "widget": _WIDGET.format(group=self.group) if widget else None,
            "secret": _SECRET.format(secret=secret) if secret else None,
        }
        for name in parts:
            (self.scratch.path / f"charts/site/templates/{name}.yaml").unlink(missing_ok=True)
        files = {f"charts/site/templates/{name}.yaml": text for name, text in parts.items() if text is not None}
        values = "image:\n  repository: example/site\n  digest: ''\n"
        self.scratch.write(
            {
                "charts/site/Chart.yaml": "apiVersion: v2\nname: site\nversion: 1.2.3\n",
                "charts/site/values.yaml": values,
                **files,
            }
        )
        self.scratch.git("add", "-A")

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run ``release rollout`` with ``arguments``."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "release", "rollout", *arguments],
            cwd=self.scratch.path,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def roll_out(self, *arguments: str, env: Mapping[str, str] | None = None) -> Result:
        """Run ``release rollout run`` with the chart."""
        return self.run("run", *arguments, "--chart", "charts/site", env=env)

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start ``release rollout run`` with the chart."""
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "release", "rollout", "run", *arguments, "--chart", "charts/site"],
            cwd=self.scratch.path,
            env={**self.environment, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def history(self, stage: str) -> list[tuple[int, str]]:
        """Return number and status of the revisions, as Helm itself tells them."""
        done = self._helm("history", "site", "--output", "json", "--namespace", self.spaces[stage])
        return [(one["revision"], one["status"]) for one in json.loads(done.stdout)] if not done.returncode else []

    def message(self, stage: str) -> str | None:
        """Return the message of the ConfigMap that runs at ``stage``."""
        if self.real:
            place = ["--namespace", self.spaces[stage], "--ignore-not-found"]
            done = self._call(["kubectl", "get", "configmap", "site", *place, "--output", "jsonpath={.data.message}"])
            return done.stdout or None
        with scripted_cluster.held(self.state) as state:
            found: list[dict[str, Any]] = state["releases"].get(f"{self.spaces[stage]}/site", [])
        manifest = found[-1]["manifest"] if found else ""
        return next((line.split(": ")[1] for line in manifest.splitlines() if "message:" in line), None)

    def by_hand(self, stage: str, *arguments: str) -> None:
        """Run Helm as a person would."""
        wait = ["--timeout", "20s"]
        done = self._helm(*arguments, *wait, "--namespace", self.spaces[stage])
        assert done.returncode == 0, done.stderr

    def define_widgets(self) -> str:
        """Let the API server know Widgets, and return the command that makes it forget them."""
        name = f"widgets.{self.group}"
        if self.real:
            version = {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
            spec = {
                "group": self.group,
                "scope": "Namespaced",
                "names": {"plural": "widgets", "kind": "Widget"},
                "versions": [version],
            }
            kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
            manifest = json.dumps({**kind, "metadata": {"name": name}, "spec": spec})
            done = self._call(["kubectl", "apply", "--filename", "-"], data=manifest)
            assert done.returncode == 0, done.stderr
            self._call(["kubectl", "wait", "--for=condition=Established", "--timeout=30s", f"crd/{name}"])
        return f"kubectl delete crd {name}"

    def _helm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._call([self.environment["HELM"], *arguments])

    def _call(self, command: list[str], data: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.scratch.path,
            env=self.environment,
            input=data,
            capture_output=True,
            text=True,
            check=False,
        )

    def _programs(self, folder: Path) -> dict[str, str]:
        if self.real:
            config = os.environ["CLUSTER_KUBECONFIG"]
            return {"HELM": os.environ[f"HELM{self.major}"], "KUBECONFIG": config}
        programs = folder / "bin"
        programs.mkdir()
        script = Path(scripted_cluster.__file__).resolve()
        for name, word in (("helm", f"helm{self.major}"), ("kubectl", "kubectl")):
            shim = programs / name
            shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{script}" "{self.state}" {word} "$@"\n')
            shim.chmod(0o755)
        return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HELM": str(programs / "helm")}
