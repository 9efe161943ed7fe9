"""Stand-ins for helm and kubectl: the flags of Helm 3 or 4 and no others, real statuses, one JSON file as the cluster.

Called as ``scripted_cluster.py STATE helm3|helm4|kubectl ARGUMENT...``. As the real ones on an API server without
controllers do, a manifest with the label value ``not valid!`` is refused, one with a Deployment is waited for in vain,
and one with a Widget can't be applied once its definition is deleted.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import fcntl
import json
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

State = dict[str, Any]


@contextlib.contextmanager
def held(path: Path) -> Iterator[State]:
    """Yield the cluster's state; what is changed in it is written when no exception is raised."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        empty: State = {"releases": {}, "maps": {}, "spaces": [], "gone": []}
        state: State = json.loads(path.read_text()) if path.exists() else empty
        yield state
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(state, indent=1))
        fresh.replace(path)


def fail(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise SystemExit(1)


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "123Z")


def helm_parser(major: int) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("helm", allow_abbrev=False, exit_on_error=False)
    verbs = parser.add_subparsers(dest="verb", required=True)

    def verb(name: str, *positional: str, place: bool = True) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, allow_abbrev=False)
        for argument in positional:
            one.add_argument(argument)
        if place:
            one.add_argument("--namespace", default="default")
            one.add_argument("--kube-context", default="")
        return one

    def waits(one: argparse.ArgumentParser) -> None:
        if major == 3:
            one.add_argument("--wait", action="store_true")
        else:
            one.add_argument("--wait", nargs="?", const="watcher", default="hookOnly", choices=WAITS)
        one.add_argument("--timeout", required=True)

    verb("version", place=False).add_argument("--short", action="store_true", required=True)
    for name in ("install", "upgrade"):
        one = verb(name, "name", "chart")
        waits(one)
        one.add_argument("--values", action="append", default=[])
        one.add_argument("--wait-for-jobs", action="store_true")
        one.add_argument("--description", default="")
        if name == "upgrade":
            one.add_argument("--reset-values", action="store_true")
    waits(verb("rollback", "name", "revision"))
    waits(verb("uninstall", "name"))
    verb("history", "name").add_argument("--output", choices=["json"], required=True)
    get = verb("get", "what", "name")
    get.add_argument("--revision", type=int, required=True)
    verb("lint", "chart").add_argument("--values", action="append", default=[])
    template = verb("template", "name", "chart")
    template.add_argument("--values", action="append", default=[])
    template.add_argument("--is-upgrade", action="store_true")
    template.add_argument("--no-hooks", action="store_true")
    verb("show", "what", "chart", place=False)
    return parser


WAITS = ("watcher", "hookOnly", "legacy")


def helm(path: Path, major: int, arguments: list[str]) -> None:
    asked = helm_parser(major).parse_args(arguments)
    match asked.verb:
        case "version":
            print(f"v{major}.22.0+gabcdef0")
        case "show":
            print(Path(asked.chart, {"chart": "Chart.yaml", "values": "values.yaml"}[asked.what]).read_text())
        case "lint":
            rendered(asked.chart, asked.values)
            print("1 chart(s) linted, 0 chart(s) failed")
        case "template":
            print(rendered(asked.chart, asked.values))
        case "history":
            with held(path) as state:
                found = revisions(state, asked)
            print(json.dumps([{key: one[key] for key in one if key != "manifest"} for one in found]))
        case "get":
            with held(path) as state:
                print(next(one for one in revisions(state, asked) if one["revision"] == asked.revision)["manifest"])
        case "install" | "upgrade":
            change(path, asked)
        case "rollback":
            rollback(path, asked)
        case "uninstall":
            with held(path) as state:
                revisions(state, asked)
                del state["releases"][key_of(asked)]


def key_of(asked: argparse.Namespace) -> str:
    return f"{asked.namespace}/{asked.name}"


def revisions(state: State, asked: argparse.Namespace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = state["releases"].get(key_of(asked), [])
    if not found:
        fail("Error: release: not found")
    return found


def rendered(chart: str, files: list[str]) -> str:
    values: dict[str, Any] = yaml.safe_load(Path(chart, "values.yaml").read_text()) or {}
    for file in files:
        merge(values, yaml.safe_load(Path(file).read_text()))

    def value(found: re.Match[str]) -> str:
        node: Any = values
        for step in found[1].split("."):
            node = node[step]
        return str(node)

    texts = [one.read_text() for one in sorted(Path(chart, "templates").glob("*.yaml"))]
    return "\n---\n".join(re.sub(r"\{\{ \.Values\.([\w.]+) \}\}", value, text) for text in texts)


def merge(into: dict[str, Any], other: Mapping[str, Any]) -> None:
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


def change(path: Path, asked: argparse.Namespace) -> None:
    manifest = rendered(asked.chart, asked.values)
    facts = yaml.safe_load(Path(asked.chart, "Chart.yaml").read_text())
    with held(path) as state:
        found = state["releases"].setdefault(key_of(asked), [])
        if asked.verb == "install" and found:
            fail("Error: INSTALLATION FAILED: cannot reuse a name that is still in use")
        if asked.verb == "upgrade" and not found:
            fail('Error: UPGRADE FAILED: "site" has no deployed releases')
        if found and found[-1]["status"].startswith("pending"):
            fail("Error: UPGRADE FAILED: another operation (install/upgrade/rollback) is in progress")
        found.append(
            {
                "revision": len(found) + 1,
                "updated": now(),
                "status": f"pending-{asked.verb}",
                "chart": f"{facts['name']}-{facts['version']}",
                "app_version": "",
                "description": "Preparing upgrade" if asked.verb == "upgrade" else "Initial install underway",
                "manifest": manifest,
            }
        )
    if "not valid!" in manifest:
        with held(path) as state:
            ended(state, asked, "failed", f'{asked.verb.title()} "{asked.name}" failed: Invalid value')
        fail('Error: ConfigMap "site" is invalid: metadata.labels: Invalid value: "not valid!"')
    if "kind: Deployment" in manifest and asked.wait in (True, "watcher"):
        hang(path, asked)
    with held(path) as state:
        ended(state, asked, "deployed", asked.description)


def hang(path: Path, asked: argparse.Namespace) -> None:
    """Wait as helm does for what never becomes ready; SIGINT marks the revision failed."""

    def stop(*_: object) -> None:
        with held(path) as state:
            ended(state, asked, "failed", f'Release "{asked.name}" failed: context canceled')
        fail("Error: UPGRADE FAILED: context canceled")

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    time.sleep(float(asked.timeout.rstrip("s")))
    stop()


def ended(state: State, asked: argparse.Namespace, status: str, description: str) -> None:
    found = revisions(state, asked)
    if status == "deployed":
        for one in found:
            if one["status"] == "deployed":
                one["status"] = "superseded"
    found[-1].update(status=status, description=description)


def rollback(path: Path, asked: argparse.Namespace) -> None:
    number = int(asked.revision)
    with held(path) as state:
        found = revisions(state, asked)
        target = next((one for one in found if one["revision"] == number), None)
        if target is None:
            fail(f"Error: release has no {number} version")
        status, before = "pending-rollback", found[-1]
        found.append({**target, "revision": len(found) + 1, "updated": now(), "status": status})
        if "kind: Widget" in target["manifest"] and state["gone"]:
            before["status"] = "superseded"
            ended(state, asked, "failed", f'Rollback "{asked.name}" failed: no matches for kind "Widget"')
            broken = True
        else:
            ended(state, asked, "deployed", f"Rollback to {number}")
            broken = False
    if broken:
        fail('Error: resource mapping not found: no matches for kind "Widget"')


def kubectl(path: Path, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("kubectl", allow_abbrev=False)
    parser.add_argument("words", nargs="+")
    parser.add_argument("--namespace", default="default")
    parser.add_argument("--context", default="")
    parser.add_argument("--output", choices=["json"])
    parser.add_argument("--filename", choices=["-"])
    parser.add_argument("--timeout")
    parser.add_argument("--ignore-not-found", action="store_true")
    asked = parser.parse_args(arguments)
    with held(path) as state:
        match asked.words:
            case ["config", "view"]:
                context = {"name": "test", "context": {"cluster": "test"}}
                print(json.dumps({"current-context": "test", "contexts": [context]}))
            case ["get", "configmap", name]:
                found = state["maps"].get(f"{asked.namespace}/{name}")
                print(json.dumps(found) if found else "")
            case ["create", "namespace", name]:
                state["spaces"].append(name)
            case ["create" | "replace" as verb]:
                put(state, verb, json.load(sys.stdin))
            case ["rollout", "status", _]:
                time.sleep(float(asked.timeout.rstrip("s")))
                fail("error: timed out waiting for the condition")
            case ["delete", "crd", name]:
                state["gone"].append(name)
            case words:
                fail(f"error: unknown command {' '.join(words)}")


def put(state: State, verb: str, manifest: dict[str, Any]) -> None:
    meta = manifest["metadata"]
    key = f"{meta['namespace']}/{meta['name']}"
    present = state["maps"].get(key)
    if meta["namespace"] not in state["spaces"]:
        fail(f'Error from server (NotFound): error when creating "STDIN": namespaces "{meta["namespace"]}" not found')
    if verb == "create" and present:
        fail(f'Error from server (AlreadyExists): error when creating: configmaps "{meta["name"]}" already exists')
    if verb == "replace" and (not present or present["metadata"]["resourceVersion"] != meta["resourceVersion"]):
        fail("Error from server (Conflict): error when replacing: the object has been modified")
    version = int(present["metadata"]["resourceVersion"]) + 1 if present else 1
    state["maps"][key] = {**manifest, "metadata": {**meta, "resourceVersion": str(version)}}
    print(json.dumps(state["maps"][key]))


if __name__ == "__main__":
    _, file, program, *rest = sys.argv
    if program == "kubectl":
        kubectl(Path(file), rest)
    else:
        helm(Path(file), int(program[-1]), rest)
