"""What holds for every workflow of a monorepo that needs all of them, and how they are explained."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from everything import FILES, RELEASE_YAML, everything, surveyed
from release.ci.catalogue import PARTS
from release.ci.change import Change
from release.ci.compose import GATE, compose
from release.ci.render import model
from release.ci.workflow import Identity, Job, Secret, Step, Workflow, run_condition
from scratch import Scratch, crate, image

CACHES = ("actions/cache", "Swatinem/rust-cache", "ramsey/composer-install")
PUBLISHING = ("publish", "image", "tag", "propose", "apply", "stage", "start-rollout", "pins-update")


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    return everything(tmp_path_factory.mktemp("campus") / "campus")


@pytest.fixture(scope="module")
def workflows(campus: Scratch) -> tuple[Workflow, ...]:
    return compose(surveyed(campus))


def _jobs(workflows: tuple[Workflow, ...]) -> Iterator[tuple[Workflow, Job]]:
    return ((workflow, job) for workflow in workflows for job in workflow.jobs)


def test_every_workflow_of_the_catalogue_is_there(workflows: tuple[Workflow, ...]) -> None:
    assert [workflow.id for workflow in workflows] == [part.id for part in PARTS if part.frame is not None]


def test_every_job_has_a_name_a_limit_its_own_permissions_and_a_summary(workflows: tuple[Workflow, ...]) -> None:
    for workflow in workflows:
        written = model(workflow)
        assert written["permissions"] == {}
        assert set(written["concurrency"]) >= {"group", "cancel-in-progress"}
        for job in workflow.jobs:
            found = written["jobs"][job.id]
            assert found["name"]
            assert 1 <= found["timeout-minutes"] <= 360
            assert found["permissions"] == {grant.scope: grant.level for grant in job.grants}
            last = found["steps"][-1]
            assert (last["name"], last["if"]) == ("Write the summary", "${{ always() }}")
            assert "GITHUB_STEP_SUMMARY" in last["run"]
            assert last["env"]["AGAIN"]
            assert job.why.endswith(".")


def _commands_of(workflows: tuple[Workflow, ...], job_id: str) -> list[str]:
    (job,) = (job for _, job in _jobs(workflows) if job.id == job_id)
    return [step.run for step in job.steps if step.run]


@pytest.mark.parametrize("place", ["releases", "directory"])
def test_libraries_of_plugins_are_built_at_the_tag_before_anything_is_packaged(
    workflows: tuple[Workflow, ...], place: str
) -> None:
    commands = _commands_of(workflows, f"publish-plugin-{place}")
    wanted = [
        "rustup toolchain install",
        "pipx install cargo-zigbuild",
        "rustup target add aarch64-unknown-linux-musl x86_64-unknown-linux-gnu",
        'release bundle build "$COMPONENT" --at "$TAG"',
        'release package "$COMPONENT" --at "$TAG" --out dist',
        'release publish "$TAG" --to "$DESTINATION"',
    ]
    if place == "directory":
        wanted.remove('release package "$COMPONENT" --at "$TAG" --out dist')
    assert [command for command in commands if command in wanted] == wanted


def test_a_plugin_that_carries_a_library_is_tested_where_rust_is(workflows: tuple[Workflow, ...]) -> None:
    for job in ("test-plugin", "test-moodle"):
        commands = _commands_of(workflows, job)
        assert "rustup toolchain install" in commands
        assert not any("bundle build" in command or "cargo-zigbuild" in command for command in commands)
    assert not any("rustup target" in command for command in _commands_of(workflows, "publish-crate-crates"))


def test_every_checkout_keeps_no_credentials_and_every_runner_is_guarded_first(workflows: tuple[Workflow, ...]) -> None:
    for _, job in _jobs(workflows):
        used = [step.uses.uses if step.uses is not None else "" for step in job.steps]
        assert used[:2] == ["step-security/harden-runner", "actions/checkout"]
        assert job.steps[1].inputs["persist-credentials"] is False
        assert used.count("actions/checkout") == 1


def test_every_action_is_pinned_and_no_script_holds_an_expression(workflows: tuple[Workflow, ...]) -> None:
    for _, job in _jobs(workflows):
        for step in job.steps:
            assert "${{" not in step.run
            if step.uses is not None:
                assert re.fullmatch(r"[0-9a-f]{40}", step.uses.sha)
                assert step.uses.version


def test_a_job_that_publishes_or_has_an_identity_restores_no_cache(workflows: tuple[Workflow, ...]) -> None:
    seen = set()
    for _, job in _jobs(workflows):
        strong = any(grant.level == "write" and grant.scope != "security-events" for grant in job.grants)
        caches = [step.uses.uses for step in job.steps if step.uses is not None and step.uses.uses in CACHES]
        if strong or any(isinstance(need, Secret | Identity) for need in job.needs) or job.id.startswith(PUBLISHING):
            assert caches == [], job.id
            seen.add(job.id.split("-")[0])
    assert seen >= {"publish", "image", "tag", "propose", "apply", "stage", "start", "pins"}


def test_secrets_are_read_in_an_environment_only(workflows: tuple[Workflow, ...]) -> None:
    for _, job in _jobs(workflows):
        if any(isinstance(need, Secret) for need in job.needs):
            assert job.environment is not None


def test_nothing_that_a_pull_request_starts_writes_or_is_anyone_without_the_plan_saying_so(
    workflows: tuple[Workflow, ...],
) -> None:
    for workflow, job in _jobs(workflows):
        if not any(trigger.event == "pull_request" for trigger in workflow.triggers) or workflow.id == "codeql":
            continue
        if job.id.startswith("terraform-plan-"):
            assert job.select is not None, "the plan job leaves it out for a fork"
            assert f"needs.plan.outputs.{job.id} == 'true'" in str(run_condition(job))
        else:
            assert [grant for grant in job.grants if grant.level == "write"] == []
            assert [need for need in job.needs if isinstance(need, Secret | Identity)] == []


def test_no_workflow_runs_with_the_rights_of_main_on_what_a_stranger_sent(workflows: tuple[Workflow, ...]) -> None:
    events = {trigger.event for workflow in workflows for trigger in workflow.triggers}
    assert events == {"pull_request", "merge_group", "push", "workflow_dispatch", "schedule"}


def test_all_green_waits_for_every_other_job_and_always_runs(workflows: tuple[Workflow, ...]) -> None:
    (ci,) = [workflow for workflow in workflows if workflow.id == "ci"]
    gate = ci.jobs[-1]
    assert gate.id == GATE
    assert set(gate.after) == {job.id for job in ci.jobs} - {GATE}
    assert str(gate.condition) == "${{ always() }}"
    (judge,) = [step for step in gate.steps if step.run.endswith("ci verdict")]
    assert str(judge.env["RESULTS"]) == "".join(f"{one}=${{{{ needs.{one}.result }}}}\n" for one in gate.after)


def test_every_planned_job_is_an_output_of_the_plan(workflows: tuple[Workflow, ...]) -> None:
    for workflow in workflows:
        planned = [job for job in workflow.jobs if job.select is not None]
        if not planned:
            continue
        outputs = {"jobs", *(job.id for job in planned), *(f"{job.id}-cells" for job in planned if job.axes)}
        assert set(workflow.jobs[0].outputs) == outputs
        assert all(job.after[0] == "plan" for job in planned)


def test_only_a_pull_request_s_older_run_is_ever_cancelled(workflows: tuple[Workflow, ...]) -> None:
    for workflow, job in _jobs(workflows):
        cancel = workflow.concurrency.cancel
        if cancel is not False:
            assert (workflow.id, str(cancel)) == ("ci", "${{ github.event_name == 'pull_request' }}")
            assert "github.run_id" in str(workflow.concurrency.group), "any other run has a group of its own"
        assert job.concurrency is None or job.concurrency.cancel is False


def test_explain_lists_workflows_and_says_all_of_one_job(campus: Scratch) -> None:
    listed = campus.run("ci", "explain").ok().out.splitlines()
    assert [line.split(":")[0] for line in listed] == [part.id for part in PARTS if part.frame is not None]
    lines = campus.run("ci", "explain", "ci", "terraform-plan-dev").ok().out.splitlines()
    assert lines == [
        "terraform-plan-dev: Plans the affected roots of dev with an identity that only reads, for review.",
        "  after: plan",
        "  runs when: needs.plan.outputs.terraform-plan-dev == 'true'",
        "  may: contents: read (check out the repository)",
        "  may: id-token: write (read dev to plan)",
        "  may: pull-requests: write (show the plan in a comment of the pull request)",
        "  is: aws as plan (read dev to plan)",
        "  stopped after: 30 minutes",
        "  by hand: release tf plan ROOT --environment dev",
    ]
    whole = campus.run("ci", "explain", "terraform-drift").ok().out
    assert "started by: schedule (7 3 * * * UTC), workflow_dispatch" in whole
    assert "none is cancelled" in whole


def test_explain_and_graph_refuse_names_that_are_not_there(campus: Scratch) -> None:
    for words, said in (
        (("explain", "nightly"), "there is no workflow 'nightly': ci,"),
        (("explain", "ci", "spell"), "ci has no job 'spell': plan,"),
        (("graph", "nightly"), "there is no workflow 'nightly'"),
    ):
        done = campus.run("ci", *words)
        assert done.code == 2
        assert said in " ".join(done.err.split())


def test_explain_as_json_has_the_same_jobs(campus: Scratch, workflows: tuple[Workflow, ...]) -> None:
    for workflow in workflows:
        found = campus.run("ci", "explain", workflow.id, "--json").ok().json
        assert [one["job"] for one in found["jobs"]] == [job.id for job in workflow.jobs]
        for one, job in zip(found["jobs"], workflow.jobs, strict=True):
            assert one["permissions"] == {grant.scope: grant.level for grant in job.grants}


def test_the_graph_draws_every_job_and_what_it_waits_for(campus: Scratch, workflows: tuple[Workflow, ...]) -> None:
    drawn = campus.run("ci", "graph").ok().out
    assert drawn.startswith("flowchart LR\n")
    assert len(re.findall(r'^        w\d+j\d+\["', drawn, re.MULTILINE)) == sum(len(one.jobs) for one in workflows)
    alone = campus.run("ci", "graph", "terraform-apply").ok().out
    assert re.findall(r"(w0j\d) --> (w0j\d)", alone) == [("w0j0", "w0j1"), ("w0j1", "w0j2"), ("w0j2", "w0j3")]


def test_permissions_lists_every_grant_secret_and_identity(campus: Scratch, workflows: tuple[Workflow, ...]) -> None:
    rows = campus.run("ci", "permissions", "--json").ok().json
    wanted = {
        *((flow.id, job.id, f"{grant.scope}: {grant.level}") for flow, job in _jobs(workflows) for grant in job.grants),
        *(
            (flow.id, job.id, f"{need.cloud} as {need.purpose.value}" if isinstance(need, Identity) else need.name)
            for flow, job in _jobs(workflows)
            for need in job.needs
            if isinstance(need, Secret | Identity)
        ),
    }
    assert {(row["workflow"], row["job"], row["may"].removeprefix("secret ")) for row in rows} == wanted
    assert all(row["reason"] for row in rows)
    (production,) = [row for row in rows if row["job"] == "apply-production" and row["kind"] == "identity"]
    assert (production["environment"], production["may"]) == ("production", "azure as apply")
    assert "apply-production" in campus.run("ci", "permissions").ok().out


def _steps(workflows: tuple[Workflow, ...], prefix: str) -> Iterator[tuple[Job, Step]]:
    return (
        (job, step) for _, job in _jobs(workflows) for step in job.steps if step.run.startswith(f"release {prefix}")
    )


@pytest.mark.parametrize("command", ["affected", "bump --pull-request", "tag"])
def test_git_gets_the_job_s_token_where_it_talks_to_github_and_for_no_other_host(
    workflows: tuple[Workflow, ...], command: str
) -> None:
    found = list(_steps(workflows, command))
    assert found
    server = "https://github.example"
    for _, step in found:
        given = {name: str(value) for name, value in step.env.items()}
        given = {name: value.replace("${{ github.server_url }}", server) for name, value in given.items()}
        given["GITHUB_TOKEN"] = given["GITHUB_TOKEN"].replace("${{ github.token }}", "the-token")
        assert "${{" not in "".join(given[name] for name in given if name.startswith(("GIT_CONFIG", "GITHUB")))
        for host, wanted in (("github.example", "the-token"), ("elsewhere.example", None)):
            done = subprocess.run(
                ["git", "credential", "fill"],
                env={"PATH": os.environ["PATH"], "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", **given},
                input=f"protocol=https\nhost={host}\n\n",
                capture_output=True,
                check=False,
                text=True,
            )
            said = dict(line.split("=", 1) for line in done.stdout.splitlines())
            assert (said.get("password"), done.returncode == 0) == (wanted, wanted is not None)


def test_no_action_of_a_job_that_pushes_images_restores_a_tool_from_a_cache(workflows: tuple[Workflow, ...]) -> None:
    off = {
        "docker/setup-qemu-action": "cache-image",
        "docker/setup-buildx-action": "cache-binary",
        "aquasecurity/trivy-action": "cache",
    }
    seen = set()
    for _, job in _jobs(workflows):
        for step in job.steps:
            if step.uses is not None and step.uses.uses in off:
                assert step.inputs[off[step.uses.uses]] is False, job.id
                seen.add(step.uses.uses)
    assert seen == set(off)


def test_a_run_by_hand_on_another_branch_releases_and_pushes_nothing(workflows: tuple[Workflow, ...]) -> None:
    by_hand = [one for one in workflows if any(trigger.event == "workflow_dispatch" for trigger in one.triggers)]
    writing = [
        job
        for workflow in by_hand
        for job in workflow.jobs
        if any((grant.scope, grant.level) in {("contents", "write"), ("packages", "write")} for grant in job.grants)
    ]
    assert {job.id for job in writing} >= {"tag", "propose", "image", "publish-image-registry"}
    for job in writing:
        condition = str(run_condition(job))
        if job.id.startswith("publish-"):
            assert "needs.tag.result == 'success'" in condition
        elif job.id == "propose":
            assert "github.event_name == 'push'" in condition
        else:
            assert "github.ref == 'refs/heads/main'" in condition


@pytest.mark.parametrize(
    ("job_id", "name", "tags", "tag"),
    [
        ("image", "components", "docker buildx imagetools create", "main"),
        ("publish-image-registry", "component", "release publish", "${{ matrix.version }}"),
    ],
)
def test_an_image_has_no_tag_before_it_is_signed_scanned_and_tried_and_is_verified_by_it_at_last(
    workflows: tuple[Workflow, ...], job_id: str, name: str, tags: str, tag: str
) -> None:
    (job,) = [job for _, job in _jobs(workflows) if job.id == job_id]
    does = [step.uses.uses if step.uses is not None else step.run for step in job.steps]
    wanted = (
        *("docker/setup-buildx-action", "anchore/sbom-action/download-syft", "sigstore/cosign-installer"),
        "release image build ",
        "docker/login-action",
        "release image push ",
        "aquasecurity/trivy-action",
        "nox -s image",
        tags,
        "release image verify ",
    )
    found = [next(number for number, one in enumerate(does) if one.startswith(each)) for each in wanted]
    assert found == sorted(found)
    steps = [job.steps[number] for number in found]
    pushed, scanned, tried, verified = steps[5], steps[6], steps[7], steps[9]
    assert "--no-tag" in pushed.run
    digest = "${{ matrix.repository }}@${{ steps.push.outputs.digest }}"
    assert (str(scanned.inputs["image-ref"]), str(tried.env["IMAGE"])) == (digest, digest)
    assert str(tried.env["COMPONENTS"]) == f"${{{{ matrix.{name} }}}}"
    assert str(verified.env["IMAGE"]) == f"${{{{ matrix.repository }}}}:{tag}"
    for step in (pushed, verified):
        assert str(step.env["IDENTITY"]) == r"^\Q${{ github.server_url }}/${{ github.workflow_ref }}\E$"
    assert {(grant.scope, grant.level) for grant in job.grants} == {
        ("contents", "read"), ("packages", "write"), ("id-token", "write")
    }  # fmt: skip


def test_an_image_without_a_session_is_tried_as_any_image_is(tmp_path: Path) -> None:
    session = "\n\n@nox.session\ndef image(session):\n    session.log('image')\n"
    assert session in FILES["noxfile.py"]
    found = _other(tmp_path, {**FILES, "noxfile.py": FILES["noxfile.py"].replace(session, "")})
    tried = [step for _, job in _jobs(found) for step in job.steps if step.name == "Try the pushed digest"]
    assert [step.run for step in tried] == ['release image test "$NAME" --image "$IMAGE"'] * 2


def test_an_image_is_published_from_the_commit_that_was_released(workflows: tuple[Workflow, ...]) -> None:
    (job,) = [job for _, job in _jobs(workflows) if job.id == "publish-image-registry"]
    assert str(job.steps[1].inputs["ref"]) == "${{ matrix.commit }}"


def test_the_runner_s_guard_is_given_endpoints_with_spaces_between(workflows: tuple[Workflow, ...]) -> None:
    for _, job in _jobs(workflows):
        assert job.steps[0].inputs["allowed-endpoints"] == "github.com:443 api.github.com:443"


def _other(tmp_path: Path, files: dict[str, str]) -> tuple[Workflow, ...]:
    repository = Scratch(tmp_path / "other")
    repository.commit("feat: begin", files)
    return compose(surveyed(repository))


@pytest.mark.parametrize(("branch", "tag"), [("main", "main"), ("trunk/next", "trunk-next"), ("+x/é", "x--")])
def test_the_tag_of_main_is_one_that_registries_take(tmp_path: Path, branch: str, tag: str) -> None:
    settings = RELEASE_YAML.replace("main: main", f"main: {branch}")
    (step,) = [
        step
        for _, job in _jobs(_other(tmp_path, {**FILES, "release.yaml": settings}))
        for step in job.steps
        if step.name == "Point the tag of main at the digest"
    ]
    assert step.env["TAG"] == tag


def test_images_of_another_registry_are_pushed_with_its_own_secrets_and_by_releases_only(tmp_path: Path) -> None:
    settings = RELEASE_YAML.replace("{to: oci, ", "{to: oci, environment: directory, ").replace("ghcr.io", "quay.io")
    found = _other(tmp_path, {**FILES, "release.yaml": settings})
    assert "images" not in {workflow.id for workflow in found}
    (job,) = [job for _, job in _jobs(found) if job.id == "publish-image-registry"]
    (login,) = [step for step in job.steps if step.uses is not None and step.uses.uses == "docker/login-action"]
    assert {name: str(value) for name, value in login.inputs.items()} == {
        "registry": "quay.io",
        "username": "${{ secrets.OCI_USERNAME }}",
        "password": "${{ secrets.OCI_PASSWORD }}",
    }
    assert job.environment == "directory"
    assert "packages" not in {grant.scope for grant in job.grants}


def test_without_a_noxfile_there_still_is_the_check_that_branches_require(tmp_path: Path) -> None:
    found = _other(tmp_path, {"Cargo.toml": crate("solo"), "src/lib.rs": ""})
    (ci,) = [workflow for workflow in found if workflow.id == "ci"]
    assert [job.id for job in ci.jobs] == ["plan", GATE]
    (propose,) = [step for _, step in _steps(found, "bump --pull-request")]
    assert propose.run.endswith("--check ci.yml")


def test_no_rollout_is_started_where_there_is_none(tmp_path: Path) -> None:
    settings = RELEASE_YAML.replace("ci:\n", "ci:\n  without: [helm-rollout]\n", 1)
    found = _other(tmp_path, {**FILES, "release.yaml": settings})
    assert "start-rollout" not in {job.id for _, job in _jobs(found)}
    assert "helm-rollout" not in {workflow.id for workflow in found}


@pytest.mark.parametrize("images", [100, 129, 256])
def test_however_many_images_there_are_each_is_built_for_each_platform(tmp_path: Path, images: int) -> None:
    files = {f"images/i{number}/image.yaml": image(f"i{number}") for number in range(images)}
    repository = Scratch(tmp_path / "other")
    repository.commit("feat: begin", files)
    site = surveyed(repository)
    (job,) = [job for _, job in _jobs(compose(site)) if job.id == "image-build"]
    assert job.select is not None
    cells = job.select(Change(None, site.components))
    assert len(cells) <= 256
    built = [(cell["components"], platform) for cell in cells for platform in cell["platform"].split(",")]
    assert sorted(built) == sorted((name, one) for name in site.images for one in ("linux/amd64", "linux/arm64"))


def test_more_images_than_a_matrix_takes_are_an_error_with_a_place(tmp_path: Path) -> None:
    files = {f"images/i{number}/image.yaml": image(f"i{number}") for number in range(257)}
    repository = Scratch(tmp_path / "other")
    repository.commit("feat: begin", files)
    done = repository.run("ci", "generate")
    assert done.code == 5
    assert "there are 257 images, but a matrix can build 256 at most" in done.err
    assert "image.yaml:2" in done.err
