"""Generated workflows, executed by act as GitHub's events start them.

Where act 0.2.89 differs from GitHub, so that these tests say nothing about it:

- ``concurrency``, ``timeout-minutes``, ``permissions`` and ``environment`` (with its approval) are not enforced.
- act works a job's matrix out before its condition, GitHub after it.
- Cancelling a run ends act, so that no job sees the result ``cancelled``; test_verdict.py has that case.
- A fork's pull request gets no secret because GitHub keeps them back. act is given some all the same, and none may
  reach a step.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from acting import ACT, Acting, Run
from everything import FILES, RELEASE_YAML
from scratch import Scratch

pytestmark = pytest.mark.skipif(ACT is None, reason="act is not here: ./dev installs it")

_ZERO = "0" * 40
_SECRETS = {"CARGO_REGISTRY_TOKEN": "hush-cargo", "MOODLE_DIRECTORY_TOKEN": "hush-moodle"}
_CI = """\
main: main
environments: {dev: {}, staging: {}, production: {}}
terraform:
  version: 1.11.4
  store: s3://acme-plans/campus
  roots:
    - {path: terraform/site, environments: [dev, staging, production]}
ci: {egress: none}
"""
_ROLLOUT = """\
main: main
environments: {dev: {}, staging: {}}
ci: {egress: none}
rollout:
  chart: campus-chart
  release: campus
  helm: 3.19.0
  stages:
    - {name: canary, environment: dev, check: nox -s smoke}
    - {name: campus, environment: staging, check: nox -s smoke}
"""
_RELEASE = """\
main: main
ci: {egress: none}
publish:
  destinations:
    crates: {to: cargo}
    files: {to: folder, options: {path: /srv/files}}
  kinds: {crate: [crates], plugin: [files]}
"""
_WITH_CHART = """\
main: main
environments: {dev: {}}
ci: {egress: none}
rollout:
  chart: campus-chart
  release: campus
  helm: 3.19.0
  stages: [{name: canary, environment: dev, check: nox -s smoke}]
publish:
  destinations:
    crates: {to: cargo}
    registry: {to: oci, options: {repository: ghcr.io/acme}}
  kinds: {crate: [crates], chart: [registry]}
"""
_PARTS = ("noxfile.py", "Cargo.toml", "crates/", "tools/", "terraform/site/", "terraform/modules/", "README.md")


@pytest.fixture
def campus(tmp_path: Path) -> Scratch:
    """Return a monorepo of two crates (fast contains core), a Python package and a Terraform root."""
    repository = Scratch(tmp_path / "campus")
    files = {path: text for path, text in FILES.items() if path.startswith(_PARTS)}
    repository.commit("feat: begin", {**files, "release.yaml": _CI})
    return repository


@pytest.fixture
def acting(campus: Scratch, tmp_path: Path) -> Acting:
    folder = tmp_path / "act"
    folder.mkdir()
    return Acting(campus, folder)


def _push(repository: Scratch, before: str, **further: Any) -> dict[str, Any]:
    return {"ref": "refs/heads/main", "before": before, "after": repository.git("rev-parse", "HEAD"), **further}


def _pull_request(base: str, head: str, home: str, author: str = "ada") -> dict[str, Any]:
    return {
        "action": "synchronize",
        "number": 7,
        "pull_request": {
            "number": 7,
            "user": {"login": author},
            "base": {"ref": "main", "sha": base, "repo": {"full_name": "acme/campus"}},
            "head": {"ref": "better", "sha": head, "repo": {"full_name": home}},
        },
    }


def _tested(run: Run, job: str) -> list[str]:
    """Return the components that each cell of the job tested, sorted."""
    return sorted(call.environment["COMPONENTS"] for call in run.of(job, "nox"))


def _verdict(run: Run) -> list[str]:
    return [line.strip() for line in run.out.splitlines() if line.strip().startswith(("RED", "green "))]


def _red(run: Run) -> list[str]:
    return [line.removeprefix("RED").strip() for line in _verdict(run) if line.startswith("RED")]


def test_what_a_push_does_not_touch_is_skipped_and_green(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("fix: campus", "tools/campus/module.py")
    run = acting.run("ci", "push", _push(campus, before))
    assert _tested(run, "test-python") == ["campus-tools"]
    assert run.of("lint", "nox")
    assert "test-crate" not in run.results
    assert "green test-crate: skipped (nothing it looks at has changed)" in _verdict(run)
    assert run.results["all-green"] == ["success"]
    assert _red(run) == []
    assert run.code == 0


def test_each_cell_of_the_planned_matrix_is_a_job(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("feat: core", "crates/core/src/lib.rs")
    run = acting.run("ci", "push", _push(campus, before))
    assert _tested(run, "test-crate") == ["core", "fast"], "fast contains core"
    assert run.results["test-crate"] == ["success", "success"]
    assert "test-python" not in run.results
    assert (run.code, _red(run)) == (0, [])


def test_one_failing_cell_makes_all_green_red(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("feat: all", "crates/core/src/lib.rs", "tools/campus/module.py")
    run = acting.run("ci", "push", _push(campus, before), fail="test-python nox*")
    assert run.code != 0
    assert run.results["test-python"] == ["failure"]
    assert run.results["all-green"] == ["failure"]
    assert _red(run) == ["test-python: failure (failed)"]
    assert run.results["test-crate"] == ["success", "success"], "the others still run to their end"


def test_a_job_that_is_skipped_against_the_plan_is_red(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("feat: core", "crates/core/src/lib.rs")
    model = acting.model("ci")
    model["jobs"]["test-crate"]["if"] = "${{ github.event_name == 'never' }}"
    acting.tampered("ci", model)
    run = acting.run("ci", "push", _push(campus, before))
    assert run.code != 0
    assert run.results["all-green"] == ["failure"]
    assert _red(run) == ["test-crate: skipped (skipped against the plan)"]


def test_a_job_that_runs_against_the_plan_is_red(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("fix: campus", "tools/campus/module.py")
    model = acting.model("ci")
    model["jobs"]["test-crate"]["if"] = "${{ always() }}"
    model["jobs"]["test-crate"]["strategy"]["matrix"] = {"include": [{"name": "core", "components": "core"}]}
    acting.tampered("ci", model)
    run = acting.run("ci", "push", _push(campus, before))
    assert run.code != 0
    assert _red(run) == ["test-crate: success (ran against the plan)"]


def test_a_failed_plan_is_red_and_nothing_else_runs(campus: Scratch, acting: Acting) -> None:
    before = campus.git("rev-parse", "HEAD")
    campus.touch("feat: core", "crates/core/src/lib.rs")
    run = acting.run("ci", "push", _push(campus, before), fail="plan release affected*")
    assert run.code != 0
    assert set(run.results) == {"plan", "all-green"}
    assert run.results["all-green"] == ["failure"]
    assert "plan: failure (failed)" in _red(run)
    assert "test-crate: skipped (skipped against the plan)" in _red(run)


def test_a_merge_group_is_compared_with_its_base(campus: Scratch, acting: Acting) -> None:
    base = campus.touch("feat: core", "crates/core/src/lib.rs")
    head = campus.touch("fix: campus", "tools/campus/module.py")
    group = {"base_sha": base, "head_sha": head, "head_ref": "refs/heads/gh-readonly-queue/main/pr-7"}
    run = acting.run("ci", "merge_group", {"action": "checks_requested", "merge_group": group})
    assert _tested(run, "test-python") == ["campus-tools"]
    assert "test-crate" not in run.results
    assert (run.code, _red(run)) == (0, [])


@pytest.mark.parametrize(
    ("before", "further"),
    [
        pytest.param(_ZERO, {}, id="a new branch"),
        pytest.param("1" * 40, {}, id="a commit that is not there"),
        pytest.param("", {"forced": True}, id="a forced push"),
    ],
)
def test_without_a_base_everything_runs(
    campus: Scratch, acting: Acting, before: str, further: Mapping[str, Any]
) -> None:
    first = campus.git("rev-parse", "HEAD")
    campus.touch("fix: campus", "tools/campus/module.py")
    run = acting.run("ci", "push", _push(campus, before or first, **further))
    assert _tested(run, "test-python") == ["campus-tools"]
    assert _tested(run, "test-crate") == ["core", "fast"]
    assert (run.code, _red(run)) == (0, [])


def test_only_a_pull_request_of_the_repository_itself_is_planned_with_an_identity(
    campus: Scratch, acting: Acting
) -> None:
    base = campus.git("rev-parse", "HEAD")
    head = campus.touch("feat: site", "terraform/site/main.tf")
    ours = acting.run("ci", "pull_request", _pull_request(base, head, "acme/campus"))
    fork = acting.run("ci", "pull_request", _pull_request(base, head, "eve/campus"))
    bot = acting.run("ci", "pull_request", _pull_request(base, head, "acme/campus", "dependabot[bot]"))
    assert (ours.code, fork.code, bot.code) == (0, 0, 0)
    planned = [call for call in ours.calls if call.command.startswith("release tf plan")]
    assert sorted(call.job for call in planned) == [f"terraform-plan-{one}" for one in ("dev", "production", "staging")]
    assert {call.environment["COMMIT"] for call in planned} == {head}
    for stranger in (fork, bot):
        assert stranger.commands("release tf") == []
        assert stranger.of("terraform-validate", "terraform -chdir=terraform/site validate")
        assert "green terraform-plan-dev: skipped (nothing it looks at has changed)" in _verdict(stranger)


def test_an_action_without_a_stub_stops_the_run(campus: Scratch, acting: Acting) -> None:
    acting.stubs = {pin: stub for pin, stub in acting.stubs.items() if not pin.startswith("actions/setup-python@")}
    run = acting.run("ci", "push", _push(campus, _ZERO))
    assert run.code != 0
    assert run.commands("nox") == []


class TestApply:
    """The reviewed plans of what was merged, applied from the first environment to the last."""

    def apply(self, campus: Scratch, acting: Acting, path: str, fail: str = "") -> Run:
        before = campus.git("rev-parse", "HEAD")
        campus.touch("feat: site", path)
        return acting.run("terraform-apply", "push", _push(campus, before), fail=fail)

    def test_goes_from_environment_to_environment(self, campus: Scratch, acting: Acting) -> None:
        run = self.apply(campus, acting, "terraform/site/main.tf")
        applied = [call for call in run.calls if call.command.startswith("release tf apply --require-binding")]
        assert [call.environment["ENVIRONMENT"] for call in applied] == ["dev", "staging", "production"]
        assert {call.environment["ROOT"] for call in applied} == {"terraform/site"}
        assert run.code == 0

    def test_stops_after_an_environment_that_failed(self, campus: Scratch, acting: Acting) -> None:
        run = self.apply(campus, acting, "terraform/site/main.tf", fail="apply-staging release tf*")
        assert [call.job for call in run.calls if call.command.startswith("release tf")] == [
            "apply-dev",
            "apply-staging",
        ]
        assert run.results["apply-staging"] == ["failure"]
        assert "apply-production" not in run.results
        assert run.code != 0

    def test_goes_on_over_an_environment_with_nothing_to_apply(self, campus: Scratch, acting: Acting) -> None:
        model = acting.model("terraform-apply")
        model["jobs"]["apply-dev"]["if"] = "${{ github.event_name == 'never' }}"
        acting.tampered("terraform-apply", model)
        run = self.apply(campus, acting, "terraform/site/main.tf")
        applied = [call.job for call in run.calls if call.command.startswith("release tf")]
        assert applied == ["apply-staging", "apply-production"]


class TestRollout:
    """A chart, rolled out stage after stage."""

    @pytest.fixture
    def acting(self, tmp_path: Path) -> Acting:
        repository = Scratch(tmp_path / "campus")
        files = {path: text for path, text in FILES.items() if path.startswith(("charts/", "noxfile.py"))}
        repository.commit("feat: begin", {**files, "release.yaml": _ROLLOUT})
        folder = tmp_path / "act"
        folder.mkdir()
        return Acting(repository, folder)

    def rolled_out(self, acting: Acting, fail: str = "") -> tuple[Run, list[str]]:
        inputs = {"chart": "oci://ghcr.io/acme/campus-chart", "version": "1.2.3"}
        run = acting.run("helm-rollout", "workflow_dispatch", {"inputs": inputs}, fail=fail)
        return run, [f"{call.command} {call.environment['STAGE']}" for call in run.calls if "rollout" in call.command]

    def test_goes_from_stage_to_stage(self, acting: Acting) -> None:
        run, commands = self.rolled_out(acting)
        options = "--chart oci://ghcr.io/acme/campus-chart --version 1.2.3"
        assert commands == [f"release rollout run {one} {options} {one}" for one in ("canary", "campus")]
        assert run.code == 0

    def test_recovers_a_stage_that_failed_and_stops(self, acting: Acting) -> None:
        run, commands = self.rolled_out(acting, fail="stage-canary release rollout run*")
        assert [command.split()[2:4] for command in commands] == [["run", "canary"], ["recover", "canary"]]
        assert "stage-campus" not in run.results
        assert run.code != 0


class TestRelease:
    """What was merged is tagged, and each tag is published."""

    TAGGED: Mapping[str, str] = {
        "tags": '["core-v0.2.0","fast-v0.2.0"]',
        "crate": '[{"tag":"core-v0.2.0","component":"core","version":"0.2.0"},'
        '{"tag":"fast-v0.2.0","component":"fast","version":"0.2.0"}]',
        "plugin": "[]",
    }

    @pytest.fixture
    def acting(self, tmp_path: Path) -> Acting:
        repository = Scratch(tmp_path / "campus")
        files = {path: text for path, text in FILES.items() if path.startswith((*_PARTS, "plugins/"))}
        repository.commit("feat: begin", {**files, "release.yaml": _RELEASE})
        folder = tmp_path / "act"
        folder.mkdir()
        return Acting(repository, folder)

    def released(self, acting: Acting, tagged: Mapping[str, str], fail: str = "") -> Run:
        payload = _push(acting.repository, _ZERO)
        return acting.run("release", "push", payload, tagged=tagged, fail=fail, secrets=_SECRETS)

    def test_publishes_each_tag_and_skips_the_kinds_without_one(self, acting: Acting) -> None:
        run = self.released(acting, self.TAGGED)
        assert sorted(run.commands("release publish")) == [
            "release publish core-v0.2.0 --to crates",
            "release publish fast-v0.2.0 --to crates",
        ]
        assert "publish-plugin-files" not in run.results
        assert run.commands("release bump --pull-request")
        assert run.code == 0

    def test_builds_the_libraries_of_a_plugin_before_it_is_packaged(self, acting: Acting) -> None:
        cell = '[{"tag":"local_campus-v1.0.0","component":"local_campus","version":"1.0.0"}]'
        tagged = {**self.TAGGED, "tags": '["local_campus-v1.0.0"]', "crate": "[]", "plugin": cell}
        steps = (
            "rustup target add aarch64-unknown-linux-musl x86_64-unknown-linux-gnu",
            "release bundle build local_campus --at local_campus-v1.0.0",
            "release package local_campus --at local_campus-v1.0.0 --out dist",
            "release publish local_campus-v1.0.0 --to files",
        )
        run = self.released(acting, tagged)
        assert [call.command for call in run.of("publish-plugin-files") if call.command in steps] == list(steps)
        assert run.code == 0
        failed = self.released(acting, tagged, fail="publish-plugin-files release bundle*")
        assert failed.commands("release p") == []
        assert failed.code != 0

    def test_publishes_nothing_without_a_tag(self, acting: Acting) -> None:
        run = self.released(acting, {"tags": "[]", "crate": "[]", "plugin": "[]"})
        assert set(run.results) == {"propose", "tag"}
        assert run.commands("release publish") == []
        assert run.code == 0

    def test_publishes_nothing_when_the_tags_could_not_be_made(self, acting: Acting) -> None:
        run = self.released(acting, self.TAGGED, fail="tag release tag*")
        assert run.commands("release publish") == []
        assert run.code != 0

    def test_does_not_publish_a_whole_after_its_part_failed(self, acting: Acting) -> None:
        tagged = {**self.TAGGED, "plugin": '[{"tag":"block_clock-v2.0.0","component":"block_clock","version":"2.0.0"}]'}
        assert "publish-plugin-files" in self.released(acting, tagged).results
        run = self.released(acting, tagged, fail="publish-crate-crates release publish core*")
        assert "publish-plugin-files" not in run.results
        assert run.code != 0

    def test_starts_the_rollout_of_a_released_chart_though_no_crate_was_released(self, tmp_path: Path) -> None:
        repository = Scratch(tmp_path / "other")
        repository.commit("feat: begin", {**FILES, "release.yaml": _WITH_CHART})
        folder = tmp_path / "act-other"
        folder.mkdir()
        acting = Acting(repository, folder)
        chart = '[{"tag":"campus-chart-v1.2.0","component":"campus-chart","version":"1.2.0"}]'
        run = self.released(acting, {"tags": '["campus-chart-v1.2.0"]', "crate": "[]", "chart": chart})
        assert "publish-crate-crates" not in run.results
        assert run.commands("release publish") == ["release publish campus-chart-v1.2.0 --to registry"]
        assert run.of("start-rollout", "gh workflow run helm-rollout.yml")
        assert run.code == 0
        again = self.released(
            acting,
            {"tags": '["campus-chart-v1.2.0"]', "crate": "[]", "chart": chart},
            fail="publish-chart-registry release publish*",
        )
        assert again.of("start-rollout", "gh") == []


class TestFork:
    """A fork's pull request, on a monorepo that needs every workflow, with everything changed."""

    @pytest.fixture
    def everything(self, tmp_path: Path) -> tuple[Scratch, Acting]:
        databases = RELEASE_YAML[RELEASE_YAML.index("  moodle:\n") : RELEASE_YAML.index("  setup:\n")]
        text = RELEASE_YAML.replace(databases, "")  # the matrix of Moodle, PHP and databases has 44 jobs
        repository = Scratch(tmp_path / "campus")
        repository.commit("feat: begin", {**FILES, "release.yaml": text})
        folder = tmp_path / "act"
        folder.mkdir()
        return repository, Acting(repository, folder)

    def test_reaches_no_publishing_step_no_identity_and_no_secret(self, everything: tuple[Scratch, Acting]) -> None:
        repository, acting = everything
        base = repository.git("rev-parse", "HEAD")
        head = repository.commit("feat: all", {"release.yaml": repository.text("release.yaml") + "# more\n"})
        payload = _pull_request(base, head, "eve/campus")
        names = sorted(path.stem for path in acting.workflows.glob("*.yml"))
        assert {"ci", "helm-rollout", "release", "terraform-apply"} <= set(names)
        runs = {name: acting.run(name, "pull_request", payload, secrets=_SECRETS) for name in names}
        started = {name for name, run in runs.items() if run.results}
        assert started == {"ci", "codeql"}
        ci = runs["ci"]
        assert (ci.code, _red(ci)) == (0, [])
        assert _tested(ci, "test-plugin") == ["block_clock", "local_campus"], "it did run, with everything affected"
        actions = {call.command.removeprefix("uses ") for run in runs.values() for call in run.calls}
        assert ci.commands("release image build")
        forbidden = ("aws-actions/", "google-github-actions/", "azure/login", "docker/login-action", "actions/attest")
        assert [name for name in actions if name.startswith(forbidden)] == []
        for run in runs.values():
            assert run.commands("release publish") == []
            assert run.commands("release image push") == []
            assert run.commands("release tf") == []
            assert run.commands("docker") == []
        values = [value for run in runs.values() for call in run.calls for value in call.environment.values()]
        assert [value for value in values if "hush" in value] == []
