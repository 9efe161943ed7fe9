"""The reviewed plan is applied; every other is refused with its own exit code, and nothing is changed by it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import LOCK, MAIN, ROOT, SECRET, Infra, needs_terraform
from scratch import Result

pytestmark = needs_terraform


@pytest.fixture
def infra(tmp_path: Path) -> Infra:
    return Infra(tmp_path)


@pytest.fixture
def planned(infra: Infra) -> Infra:
    infra.plan().ok()
    return infra


def refused(done: Result, code: int, *words: str) -> None:
    assert done.code == code, f"{done.code}\n{done.out}\n{done.err}"
    assert [word for word in words if word not in done.err] == []
    assert "Traceback" not in done.err
    assert SECRET not in done.out + done.err


def test_the_reviewed_plan_is_applied_once(planned: Infra) -> None:
    done = planned.apply("--json").ok()
    assert (done.json["added"], done.json["changed"], done.json["destroyed"]) == (2, 0, 0)
    assert planned.serial() > 0
    serial = planned.serial()
    refused(planned.apply(), 22, "serial", "plan again")
    assert planned.serial() == serial


def test_a_plan_says_what_changes_and_no_value(infra: Infra) -> None:
    files = {name: infra.folder / name for name in ("step", "output", "summary.md")}
    variables = {"GITHUB_STEP_SUMMARY": str(files["step"]), "GITHUB_OUTPUT": str(files["output"])}
    done = infra.run(
        "plan",
        ROOT,
        "--environment",
        "dev",
        "--out",
        str(infra.plan_file),
        "--summary",
        str(files["summary.md"]),
        env=variables,
    ).ok()
    summary = files["summary.md"].read_text()
    assert files["step"].read_text() == summary
    assert summary.startswith("<!-- release:plan infra/site dev -->\n")
    assert "+ create terraform_data.server" in summary
    assert "+ create module.app.terraform_data.app" in summary
    assert "**2 to add, 0 to change, 0 to destroy, 1 output to change**" in summary
    sha = json.loads(infra.binding_file.read_text())["plan"]
    assert files["output"].read_text() == f"changes=true\nsha256={sha}\n"
    assert SECRET not in done.out + done.err + summary + infra.binding_file.read_text()
    assert stat.S_IMODE(infra.plan_file.stat().st_mode) == 0o600
    assert infra.serial() == -1


def test_a_plan_without_changes_says_so_and_can_be_applied(planned: Infra) -> None:
    planned.apply().ok()
    output = planned.folder / "output"
    done = planned.run("plan", ROOT, "--environment", "dev", "--json", env={"GITHUB_OUTPUT": str(output)}).ok().json
    assert done["changes"] == []
    assert output.read_text().startswith("changes=false\n")
    assert done["plan"]["path"] == str(planned.repo.path / ROOT / ".terraform/dev.tfplan")
    planned.apply(plan=Path(done["plan"]["path"])).ok()


def test_binding_a_plan_again_gives_the_same_bytes(planned: Infra) -> None:
    first = planned.binding_file.read_bytes()
    planned.binding_file.unlink()
    planned.run("bind", str(planned.plan_file), "--root", ROOT, "--environment", "dev").ok()
    assert planned.binding_file.read_bytes() == first


def test_a_plan_that_terraform_wrote_by_hand_can_be_bound_and_applied(tmp_path: Path) -> None:
    infra = Infra(tmp_path)
    folder = infra.repo.path / ROOT
    environment = {**infra.repo.environment, "TF_CLI_CONFIG_FILE": os.devnull}
    for command in (
        ["init", "-input=false", "-backend-config=dev.tfbackend"],
        ["plan", "-input=false", "-var-file=dev.tfvars", f"-out={infra.plan_file}"],
    ):
        subprocess.run(["terraform", *command], cwd=folder, env=environment, check=True, capture_output=True)
    refused(infra.run("bind", str(infra.plan_file)), 2, "name --root and --environment")
    infra.run("bind", str(infra.plan_file), "--environment", "dev").ok()
    infra.apply().ok()
    assert infra.serial() > 0


def test_apply_without_the_flag_is_a_usage_error(planned: Infra) -> None:
    refused(planned.run("apply", str(planned.plan_file)), 2, "--require-binding")
    assert planned.serial() == -1


def test_a_plan_without_a_binding_is_refused(planned: Infra) -> None:
    planned.binding_file.unlink()
    refused(planned.apply(), 20, "dev.tfplan.binding.json is not there")
    refused(planned.apply("--binding", str(planned.plan_file)), 20, "is no binding")
    assert planned.serial() == -1


@pytest.mark.parametrize("at", [0, 200, -1])
def test_a_plan_of_which_one_byte_is_another_is_refused(planned: Infra, at: int) -> None:
    content = bytearray(planned.plan_file.read_bytes())
    content[at] ^= 1
    planned.plan_file.write_bytes(content)
    refused(planned.apply(), 21, "is not the plan that was bound")
    assert planned.serial() == -1


def _replaced(infra: Infra) -> None:
    text = infra.binding_file.read_text()
    infra.binding_file.write_text(text.replace('"add": 2', '"add": 1'))


COUNTS = {"add": 1, "change": 0, "destroy": 0, "forget": 0, "import": 0, "move": 0, "outputs": 1}


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (_replaced, "was edited"),
        (lambda infra: infra.edit(show="0" * 64), "does not say"),
        (lambda infra: infra.edit(counts=COUNTS), "does not say"),
        (lambda infra: infra.edit(plan="0" * 64), "is not the plan that was bound"),
        (lambda infra: infra.edit(tree="0" * 40), "has another tree"),
    ],
    ids=["text", "show", "counts", "plan", "tree"],
)
def test_an_edited_binding_is_refused(planned: Infra, edit: Callable[[Infra], None], words: str) -> None:
    edit(planned)
    refused(planned.apply(), 21, words)
    assert planned.serial() == -1


def test_a_plan_of_another_root_environment_or_digest_than_asked_for_is_refused(planned: Infra) -> None:
    refused(planned.apply("--environment", "prod"), 21, "environment dev, not prod")
    refused(planned.apply("--root", "infra/modules/app"), 21, "root infra/site, not infra/modules/app")
    refused(planned.apply("--sha256", "0" * 64), 21, "SHA-256")
    assert planned.serial() == -1


def test_a_binding_moved_to_another_commit_is_found_by_the_configuration_in_the_plan(planned: Infra) -> None:
    repo = planned.repo
    commit = repo.commit("feat: grow", {f"{ROOT}/main.tf": MAIN.replace("default = 1", "default = 7")})
    inputs = json.loads(planned.binding_file.read_text())["inputs"]
    inputs[f"{ROOT}/main.tf"] = f"100644 {repo.git('rev-parse', f'HEAD:{ROOT}/main.tf')}"
    planned.edit(commit=commit, tree=repo.git("rev-parse", "HEAD^{tree}"), inputs=inputs)
    refused(planned.apply(), 21, f"another {ROOT}/main.tf")
    assert planned.serial() == -1


def test_a_plan_is_stale_after_another_was_applied(planned: Infra, tmp_path: Path) -> None:
    other = tmp_path / "other.tfplan"
    planned.plan(out=other).ok()
    planned.apply(plan=other).ok()
    serial = planned.serial()
    refused(planned.apply(), 22, "another plan was applied")
    assert planned.serial() == serial


def test_a_plan_for_another_state_is_refused(planned: Infra) -> None:
    planned.apply().ok()
    planned.plan("--json").ok()
    state = planned.folder / "dev.tfstate"
    before = planned.state()
    text = json.dumps({**before, "lineage": "00000000-0000-0000-0000-000000000000"})
    state.write_text(text)
    refused(planned.apply(), 22, "the plan is for the state")
    assert state.read_text() == text
    state.unlink()
    refused(planned.apply(), 22, "is gone")
    assert planned.serial() == -1


def test_staleness_that_terraform_finds_itself_has_the_same_code(planned: Infra, tmp_path: Path) -> None:
    other = tmp_path / "other.tfplan"
    planned.plan(out=other).ok()
    planned.apply(plan=other).ok()
    serial = planned.serial()
    program = tmp_path / "terraform"
    program.write_text('#!/bin/sh\n[ "$1" = state ] && exit 0\nexec terraform "$@"\n')
    program.chmod(0o755)
    refused(planned.apply("--terraform", str(program)), 22, "Terraform says: Saved plan is stale")
    assert planned.serial() == serial


def test_another_commit_is_refused_when_what_the_root_is_made_of_differs(planned: Infra) -> None:
    for path, content in (
        (f"{ROOT}/main.tf", MAIN + "# more\n"),
        ("infra/modules/app/main.tf", 'resource "terraform_data" "app" {\n  input = "other"\n}\n'),
        (f"{ROOT}/dev.tfvars", "size = 9\n"),
        (f"{ROOT}/template.tpl", "read by templatefile\n"),
    ):
        before = planned.repo.git("rev-parse", "HEAD")
        planned.repo.commit(f"feat: change {path}", {path: content})
        refused(planned.apply(), 23, path)
        planned.repo.git("reset", "-q", "--hard", before)
    assert planned.serial() == -1
    planned.apply().ok()


def test_another_tree_is_accepted_when_the_root_is_made_of_the_same(planned: Infra) -> None:
    planned.repo.commit("docs: more", {"README.md": "More\n", f"{ROOT}/prod.tfvars": "size = 8\n"})
    planned.apply().ok()


@pytest.mark.parametrize(
    "line",
    [
        'locals {\n  far = fileexists("${path.module}/../../README.md")\n}\n',
        'locals {\n  far = fileexists("../../README.md")\n}\n',
        "locals {\n  far = dirname(path.root)\n}\n",
        'resource "terraform_data" "copy" {\n  input = {\n    source = "../../README.md"\n  }\n}\n',
    ],
)
def test_another_tree_is_refused_when_the_root_reaches_for_files_elsewhere(tmp_path: Path, line: str) -> None:
    infra = Infra(tmp_path, MAIN + line)
    infra.plan().ok()
    infra.repo.commit("docs: more", {"README.md": "More\n"})
    refused(infra.apply(), 23, "reaches for files", f"{ROOT}/main.tf:")
    assert infra.serial() == -1
    infra.repo.git("revert", "--no-edit", "HEAD")
    infra.apply().ok()


def test_another_tree_is_refused_when_a_link_leads_out_of_the_root(infra: Infra) -> None:
    (infra.repo.path / ROOT / "shared.txt").symlink_to("../../README.md")
    infra.repo.commit("feat: link")
    infra.plan().ok()
    infra.repo.commit("docs: more", {"README.md": "More\n"})
    refused(infra.apply(), 23, "reaches for files", f"{ROOT}/shared.txt")


@pytest.mark.parametrize("way", ["merge", "squash", "rebase"])
@pytest.mark.parametrize("moved", ["nothing", "elsewhere", "module"])
def test_what_a_pull_request_was_reviewed_as_is_applied_after_it_is_merged(
    infra: Infra, way: str, moved: str, tmp_path: Path
) -> None:
    repo = infra.repo
    repo.branch("topic")
    repo.commit("feat: grow", {f"{ROOT}/dev.tfvars": "size = 5\n"})
    infra.plan().ok()
    repo.switch("main")
    if moved != "nothing":
        path = "README.md" if moved == "elsewhere" else "infra/modules/app/more.tf"
        repo.commit("chore: main moves", {path: "# moved\n"})
    if way == "merge":
        repo.merge("topic")
    elif way == "squash":
        repo.git("merge", "-q", "--squash", "topic")
        repo.commit("feat: grow (#1)")
        repo.git("branch", "-q", "-D", "topic")
    else:
        repo.git("cherry-pick", "topic")
    runner = repo.clone(tmp_path / "runner", "--depth=1")
    infra.repo = runner
    if moved == "module":
        refused(infra.apply(), 23, "infra/modules/app/more.tf")
        assert infra.serial() == -1
    else:
        infra.apply().ok()
        assert infra.serial() > 0


@pytest.mark.parametrize("name", ["main.tf", "dev.tfvars"])
def test_a_work_tree_that_is_not_as_committed_is_refused(planned: Infra, name: str) -> None:
    path = planned.repo.path / ROOT / name
    text = path.read_text()
    path.write_text(text + "\n")
    refused(planned.apply(), 23, f"{ROOT}/{name} is not as committed")
    refused(planned.plan(), 7, f"{ROOT}/{name} is not as committed")
    assert planned.serial() == -1


@pytest.mark.parametrize(
    ("name", "ignored"),
    [("more.tf", True), ("x.auto.tfvars", False), ("terraform.tfvars", True), ("override.tf.json", False)],
)
def test_a_file_that_terraform_would_load_and_git_does_not_know_is_refused(
    infra: Infra, name: str, ignored: bool
) -> None:
    infra.repo.commit("chore: ignore", {".gitignore": ".terraform/\n" + (f"{name}\n" if ignored else "")})
    infra.plan().ok()
    (infra.repo.path / ROOT / name).write_text("{}" if name.endswith("json") else "")
    refused(infra.apply(), 23, f"{ROOT}/{name} is not as committed")
    refused(infra.plan(), 7, f"{ROOT}/{name} is not as committed")


def test_another_lock_file_is_refused(planned: Infra) -> None:
    repo = planned.repo
    path = repo.path / LOCK
    text = path.read_text()
    path.write_text(text + "# more\n")
    refused(planned.apply(), 24, "on disk", LOCK)
    refused(planned.plan(out=planned.folder / "further.tfplan"), 24, "is not as committed")
    repo.commit("build: lock")
    refused(planned.apply(), 24, "on disk", LOCK)
    path.write_text(text)
    refused(planned.apply(), 24, "in HEAD", LOCK)
    path.unlink()
    refused(planned.apply(), 24, "there is none", LOCK)
    assert planned.serial() == -1
    repo.git("reset", "-q", "--hard", "HEAD~")
    planned.apply().ok()


def test_another_terraform_is_refused(planned: Infra) -> None:
    program = planned.wrapper("1.11.3")
    refused(planned.apply("--terraform", str(program)), 25, "made by Terraform 1.11.4", "is 1.11.3")
    refused(planned.apply(env={"TERRAFORM": str(program)}), 25, "made by Terraform 1.11.4")
    further = planned.folder / "further.tfplan"
    refused(planned.plan("--terraform", str(program), out=further), 25, "asks for 1.11.4")
    assert not further.exists()
    assert planned.serial() == -1


def test_terraform_that_is_not_there_or_fails_is_said(planned: Infra) -> None:
    refused(planned.apply("--terraform", "./no-terraform"), 26, "can't be run")
    assert planned.serial() == -1
    planned.repo.commit(
        "feat: wrong", {f"{ROOT}/main.tf": MAIN + 'resource "terraform_data" "x" {\n  input = nope()\n}\n'}
    )
    refused(planned.plan(), 26, "nope", f"{ROOT}/main.tf:2")
    assert not planned.plan_file.exists()
    assert not planned.binding_file.exists()


def test_an_apply_that_fails_says_that_the_state_has_what_was_done(tmp_path: Path) -> None:
    broken = 'resource "terraform_data" "broken" {\n  provisioner "local-exec" {\n    command = "exit 3"\n  }\n}\n'
    infra = Infra(tmp_path, MAIN + broken)
    infra.plan().ok()
    refused(infra.apply(), 26, "terraform apply failed", "is in the state", f"{ROOT}/main.tf:")
    refused(infra.apply(), 22, "serial")


def test_the_checks_have_an_order(planned: Infra) -> None:
    """Each is broken, last one first; what is refused is always the first of the order that is broken."""
    repo = planned.repo
    other = planned.folder / "other.tfplan"
    planned.plan(out=other).ok()
    planned.apply(plan=other).ok()
    refused(planned.apply(), 22)
    plan, binding = planned.plan_file.read_bytes(), planned.binding_file.read_bytes()
    planned.edit(show="0" * 64)
    refused(planned.apply(), 21, "does not say")
    wrapper = str(planned.wrapper("1.2.3"))
    refused(planned.apply("--terraform", wrapper), 25)
    lock = repo.path / LOCK
    lock.write_text("# other\n")
    refused(planned.apply("--terraform", wrapper), 24)
    repo.commit("feat: change", {f"{ROOT}/main.tf": MAIN + "# more\n"})
    refused(planned.apply("--terraform", wrapper), 23)
    planned.plan_file.write_bytes(plan + b"x")
    refused(planned.apply("--terraform", wrapper), 21, "is not the plan")
    planned.binding_file.write_bytes(binding[:-2])
    refused(planned.apply("--terraform", wrapper), 20)


SLOW = """resource "terraform_data" "slow" {
  depends_on = [terraform_data.server]
  provisioner "local-exec" {
    command = "touch $STARTED && sleep 60"
  }
}
"""


def _started(infra: Infra) -> subprocess.Popen[bytes]:
    mark = infra.folder / "started"
    process = infra.repo.start("tf", "apply", str(infra.plan_file), "--require-binding", env={"STARTED": str(mark)})
    for _ in range(600):
        if mark.exists():
            return process
        time.sleep(0.1)
    pytest.fail("the apply never got so far")


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, check=False, text=True)
    own = [int(word) for word in found.stdout.split()]
    return own + [deeper for child in own for deeper in _children(child)]


def _killed(process: subprocess.Popen[bytes]) -> None:
    for pid in (*_children(process.pid), process.pid):
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def test_while_an_apply_runs_another_is_told_who_holds_the_state(tmp_path: Path) -> None:
    only = MAIN.partition("resource")[0] + SLOW.replace("  depends_on = [terraform_data.server]\n", "")
    infra = Infra(tmp_path, only)
    infra.plan().ok()
    process = _started(infra)
    try:
        words = ("is locked: OperationTypeApply by", f"terraform -chdir={ROOT} force-unlock", "plan again")
        refused(infra.apply(), 26, *words)
        refused(infra.plan(out=infra.folder / "further.tfplan"), 26, *words)
        infra.plan("--no-lock", out=infra.folder / "further.tfplan").ok()
    finally:
        _killed(process)


def test_after_a_killed_apply_the_next_run_says_what_to_do(tmp_path: Path) -> None:
    infra = Infra(tmp_path, MAIN + SLOW)
    infra.plan().ok()
    _killed(_started(infra))
    serial = infra.serial()
    assert serial > 0
    refused(infra.apply(), 22, "an apply of this one was killed", "state list", "plan again")
    assert infra.serial() == serial


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_apply_lets_terraform_end_in_order(tmp_path: Path, number: signal.Signals) -> None:
    infra = Infra(tmp_path, MAIN + SLOW)
    infra.plan().ok()
    process = _started(infra)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 26
    assert b"was interrupted" in err
    assert b"is in the state" in err
    assert "server" in {one["name"] for one in infra.state()["resources"]}
    assert not list(infra.folder.glob(".*.lock.info"))


def test_a_repository_without_configuration_has_roots_too(tmp_path: Path) -> None:
    infra = Infra(tmp_path, configured=False)
    infra.plan().ok()
    infra.apply().ok()
    refused(infra.run("plan", "infra", "--environment", "dev"), 4, "infra has no *.tf file")
    refused(infra.run("plan", str(tmp_path), "--environment", "dev"), 2, "not in this repository")


def test_a_commit_with_other_files_than_these_is_not_bound(infra: Infra) -> None:
    first = infra.repo.git("rev-parse", "HEAD")
    infra.repo.commit("docs: more", {"README.md": "More\n"})
    infra.plan("--commit", first).ok()
    assert json.loads(infra.binding_file.read_text())["commit"] == first
    infra.repo.commit("feat: grow", {f"{ROOT}/dev.tfvars": "size = 5\n"})
    refused(infra.plan("--commit", first), 23, "is not the same")
    refused(infra.plan("--commit", "0" * 40), 7, "no commit")


def test_a_plan_of_other_files_than_the_commit_has_is_not_bound(planned: Infra) -> None:
    planned.binding_file.unlink()
    planned.repo.commit("feat: grow", {f"{ROOT}/main.tf": MAIN + "# more\n"})
    refused(planned.run("bind", str(planned.plan_file), "--root", ROOT, "--environment", "dev"), 23, f"{ROOT}/main.tf")
    assert not planned.binding_file.exists()


def test_what_is_no_plan_is_not_bound(infra: Infra) -> None:
    infra.plan().ok()
    infra.plan_file.write_text("no plan")
    refused(
        infra.run("bind", str(infra.plan_file), "--root", ROOT, "--environment", "dev"), 26, "terraform show failed"
    )
