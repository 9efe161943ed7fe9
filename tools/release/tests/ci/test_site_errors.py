"""What release.yaml says wrongly about workflows is an error with its place, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from everything import FILES, RELEASE_YAML, everything
from scratch import Scratch


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    return everything(tmp_path_factory.mktemp("campus") / "campus")


def _line(text: str, start: str) -> int:
    """Return the number of the one line that begins with ``start``, blanks aside."""
    (found,) = [number for number, line in enumerate(text.splitlines(), 1) if line.lstrip(" -").startswith(start)]
    return found


CASES: dict[str, tuple[Callable[[str], str], int, str, str]] = {
    # what is wrong: the change, the exit code, how the line at fault begins, what is said of it
    "an unknown key": (
        lambda text: text.replace("  egress: block", "  egres: block"),
        4,
        "egres:",
        "unknown field `egres`",
    ),
    "an action without a pin": (
        lambda text: text.replace("uses: actions/setup-node", "uses: acme/unknown-action"),
        12,
        "{name: Set up Node",
        "acme/unknown-action is not pinned",
    ),
    "a step that neither runs nor uses": (
        lambda text: text.replace("run: sudo apt-get install --yes libvips-dev", "run: ''"),
        4,
        "{name: Install libvips",
        "needs either run or uses",
    ),
    "an expression in a script": (
        lambda text: text.replace("run: sudo apt-get install --yes libvips-dev", "run: 'echo ${{ github.ref }}'"),
        4,
        "{name: Install libvips",
        "ci.setup.0.run holds an expression",
    ),
    "a secret in an action's inputs": (
        lambda text: text.replace("node-version: 24}", "token: '${{ secrets.TOKEN }}'}"),
        4,
        "{name: Set up Node",
        "ci.setup.1.inputs.token holds an expression",
    ),
    "an expression that chooses the runner": (
        lambda text: text.replace("  egress: block", "  egress: block\n  runner: '${{ github.head_ref }}'"),
        4,
        "runner:",
        "ci.runner holds an expression",
    ),
    "a destination that is named twice": (
        lambda text: text.replace("    crate: [crates]", "    crate: [crates, crates]"),
        4,
        "crate: [crates, crates]",
        "'crates' is there twice",
    ),
    "a destination whose name can't be a job's": (
        lambda text: text.replace("    crates: {to", "    the crates: {to").replace("[crates]", "[the crates]"),
        4,
        "crate: [the crates]",
        "the destination 'the crates' can't be a part of a job's id",
    ),
    "an image that is published to what takes none": (
        lambda text: text.replace("    image: [registry]", "    image: [registry, releases]"),
        4,
        "image: [registry, releases]",
        "images can't be published to 'releases'",
    ),
    "a step for a kind that is none": (
        lambda text: text.replace("kinds: [crate]", "kinds: [crat]"),
        4,
        "{name: Install libvips",
        "'crat' is no kind of component",
    ),
    "an environment whose name GitHub would refuse": (
        lambda text: text.replace("  directory: {}", '  "a b": {}'),
        4,
        '"a b"',
        "at environments.a b",
    ),
    "a database image by tag": (
        lambda text: text.replace("pgsql: docker.io/library/postgres:17@sha256:", "pgsql: postgres:17 #"),
        4,
        "pgsql:",
        "at ci.moodle.databases.pgsql",
    ),
    "a database that Moodle hasn't": (
        lambda text: text.replace("      pgsql: ", "      oracle: "),
        4,
        "oracle:",
        "invalid enum value 'oracle'",
    ),
    "an endpoint without a port": (
        lambda text: text.replace('"github.com:443", ', '"github.com", '),
        4,
        "endpoints:",
        "at ci.endpoints.0",
    ),
    "connections blocked without an exception": (
        lambda text: text.replace('endpoints: ["github.com:443", "api.github.com:443"]', "endpoints: []"),
        4,
        "egress:",
        "lets nothing through",
    ),
    "a chart to roll out that is none": (
        lambda text: text.replace("  chart: campus-chart", "  chart: nope"),
        4,
        "chart: nope",
        "rollout.chart is nope, which is no component",
    ),
    "a Terraform root that is not there": (
        lambda text: text.replace("path: terraform/network", "path: terraform/nope"),
        4,
        "{path: terraform/nope",
        "terraform/nope",
    ),
    "one identity that plans and changes": (
        lambda text: text.replace("role/apply", "role/plan"),
        4,
        "plan: arn",
        "could change things before it is reviewed",
    ),
    "a session that the noxfile lacks": (
        lambda text: text.replace("    session: moodle", "    session: noodle"),
        4,
        "moodle:",
        "noxfile.py has no session 'noodle'",
    ),
    "a lint session that the noxfile lacks": (
        lambda text: text.replace("  egress: block", "  egress: block\n  lint: [lint, spell]"),
        4,
        "lint:",
        "noxfile.py has no session 'spell'",
    ),
    "a stage without a check": (
        lambda text: text.replace(
            "name: canary, environment: dev, namespace: canary, cluster: dev, check: nox -s smoke",
            "name: canary, environment: dev, namespace: canary, cluster: dev",
        ),
        4,
        "{name: canary",
        "the stage canary has no check",
    ),
    "two stages of one name": (
        lambda text: text.replace("name: world", "name: canary"),
        4,
        "{name: canary, environment: production",
        "two stages are called canary",
    ),
    "an environment that a stage names and nobody else": (
        lambda text: text.replace("name: campus, environment: staging", "name: campus, environment: stage"),
        4,
        "{name: campus",
        "is in the environment stage, which is named nowhere",
    ),
    "a cluster of an environment without a cloud": (
        lambda text: text.replace("name: canary, environment: dev", "name: canary, environment: directory"),
        4,
        "{name: canary",
        "its environment 'directory' has no identity",
    ),
    "an environment that a root names and nobody else": (
        lambda text: text.replace("environments: [dev, staging, production]", "environments: [dev, live]"),
        4,
        "{path: terraform/site",
        "is for live, which is in no `environments`",
    ),
    "an environment that a destination names and nobody else": (
        lambda text: text.replace("environment: directory}", "environment: catalogue}"),
        4,
        "directory: {to",
        "there is no environment 'catalogue'",
    ),
    "a destination that is named nowhere": (
        lambda text: text.replace("    crate: [crates]", "    crate: [crates-io]"),
        4,
        "crate: [",
        "'crates-io' is none of publish.destinations",
    ),
    "a kind of destination that is not known": (
        lambda text: text.replace("crates: {to: cargo}", "crates: {to: npm}"),
        4,
        "crates: {to",
        "npm",
    ),
    "a kind of component that is not known": (
        lambda text: text.replace("    crate: [crates]", "    crates: [crates]"),
        4,
        "crates: [crates]",
        "'crates' is no kind of component",
    ),
    "a workflow that can't be left out": (
        lambda text: text.replace("  egress: block", "  egress: block\n  without: [scorecard, ci]"),
        4,
        "without:",
        "'ci' can't be left out",
    ),
    "a workflow to leave out that is not known": (
        lambda text: text.replace("  egress: block", "  egress: block\n  without: [nightly]"),
        4,
        "without:",
        "'nightly' can't be left out",
    ),
    "a rollout of what is no chart": (
        lambda text: text.replace("  chart: campus-chart", "  chart: campus"),
        4,
        "chart: campus",
        "rollout.chart is campus, which is of the kind image",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_is_said_with_its_place(campus: Scratch, name: str) -> None:
    change, code, start, said = CASES[name]
    text = change(RELEASE_YAML)
    assert text != RELEASE_YAML
    campus.write({"release.yaml": text})
    before = campus.state()
    done = campus.run("ci", "generate")
    assert (done.code, done.out) == (code, "")
    assert said in done.err
    assert f"release.yaml:{_line(text, start)}:" in done.err, done.err
    assert "Traceback" not in done.err
    assert campus.state() == before


def test_a_noxfile_that_is_not_python_has_no_sessions(tmp_path: Path) -> None:
    repository = Scratch(tmp_path / "campus")
    repository.commit("feat: begin", {**FILES, "noxfile.py": "def (:\n"})
    done = repository.run("ci", "generate")
    assert done.code == 4
    assert "noxfile.py has no session 'moodle'" in done.err
