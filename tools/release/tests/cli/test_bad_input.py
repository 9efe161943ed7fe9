"""Broken repositories and files: each ends with its own clear error, its documented exit code and nothing changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from scratch import Scratch, chart, crate, image, plugin

PHP = "plugins/local_core/version.php"
BASE = {
    PHP: plugin("local_core"),
    "plugins/local_core/lib.php": "<?php\n",
    "crates/a/Cargo.toml": crate("a", "1.0.0"),
    "crates/a/src/lib.rs": "",
    "crates/b/Cargo.toml": crate("b", "1.0.0", '[dependencies]\na = { path = "../a", version = "1" }\n'),
    "crates/b/src/lib.rs": "",
    "images/web/image.yaml": image("web", "1.0.0", "repository: ghcr.io/acme/web\ncontains:\n  crates: [b]\n"),
    "charts/site/Chart.yaml": chart("site", "1.0.0", "1.0.0"),
    "charts/site/values.yaml": "image:\n  repository: ghcr.io/acme/web\n",
}
UNRELEASED = "fix: unreleased"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Scratch:
    """Return a repository in order, with a fix to release."""
    s = Scratch(tmp_path_factory.mktemp("template") / "r")
    s.commit("feat: begin", BASE)
    s.tag("local_core-v1.0.0", "a-v1.0.0", "b-v1.0.0", "web-v1.0.0", "site-v1.0.0")
    s.touch(UNRELEASED, "plugins/local_core/lib.php", "crates/a/src/lib.rs")
    return s


@pytest.fixture
def scratch(template: Scratch, tmp_path: Path) -> Scratch:
    shutil.copytree(template.path, tmp_path / "r")
    return Scratch(tmp_path / "r", init=False, clock=template.clock)


@dataclass(frozen=True)
class Case:
    """A way to break the repository, and what the command must say about it."""

    name: str
    break_: Callable[[Scratch], object]
    code: int
    words: tuple[str, ...]
    args: tuple[str, ...] = ("bump",)
    env: tuple[tuple[str, str], ...] = ()


def files(**changes: str | bytes) -> Callable[[Scratch], object]:
    """Commit files, given as ``path__with__slashes`` mapped by ``_PATHS``."""
    return lambda s: s.commit("chore: break", {_PATHS[name]: content for name, content in changes.items()})


def steps(*each: Callable[[Scratch], object]) -> Callable[[Scratch], object]:
    """Do several things, one after the other."""

    def do(s: Scratch) -> None:
        for step in each:
            step(s)

    return do


def added(path: str, content: str | bytes) -> Callable[[Scratch], object]:
    return lambda s: s.commit("chore: break", {path: content})


_PATHS = {
    "config": "release.yaml",
    "php": PHP,
    "cargo_a": "crates/a/Cargo.toml",
    "cargo_b": "crates/b/Cargo.toml",
    "image": "images/web/image.yaml",
    "chart": "charts/site/Chart.yaml",
    "values": "charts/site/values.yaml",
    "lock": "crates/a/Cargo.lock",
    "bundle": "plugins/local_core/bundle.json",
    "log": "crates/a/CHANGELOG.md",
    "upgrade": "plugins/local_core/db/upgrade.php",
    "pyproject": "tools/t/pyproject.toml",
}


def nothing(s: Scratch) -> None:
    """Leave the repository as it is: the arguments are what is wrong."""


def plan_file(change: Callable[[bytes], bytes]) -> Callable[[Scratch], object]:
    def make(s: Scratch) -> None:
        file = s.path.parent / "plan.json"
        s.run("bump", "--plan-out", str(file)).ok()
        file.write_bytes(change(file.read_bytes()))

    return make


def conflict(s: Scratch) -> None:
    s.branch("other", "HEAD~1")
    s.commit("chore: other", {"crates/a/src/lib.rs": "// other\n"})
    s.switch("main")
    subprocess.run(["git", "merge", "-q", "other"], cwd=s.path, env=s.environment, capture_output=True, check=False)


def remote(s: Scratch) -> Path:
    bare = s.path.parent / "remote.git"
    s.git("init", "-q", "--bare", "-b", "main", str(bare))
    s.git("remote", "add", "origin", str(bare))
    s.git("push", "-q", "origin", "main", "--tags")
    return bare


def refusing_remote(s: Scratch) -> None:
    hook = remote(s) / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'frozen until Monday' >&2\nexit 1\n")
    hook.chmod(0o755)


PLAN = ("bump", "--plan", "../plan.json")
NOBODY = tuple((f"GIT_{who}_{what}", "") for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL"))

CASES = [
    # release.yaml
    Case("unknown key", files(config="tags: x\n"), 4, ("unknown field `tags`", "release.yaml:1:1", "configuration.md")),
    Case(
        "unknown key of a component",
        files(config="zero: cargo\ncomponents:\n  a:\n    excludes: []\n"),
        4,
        ("unknown field `excludes`", "release.yaml:4:5"),
    ),
    Case(
        "bad YAML", files(config="a: [1,\nb: }"), 4, ("release.yaml is not YAML", "release.yaml:2:", "mend the syntax")
    ),
    Case("wrong type", files(config="exclude: 3\n"), 4, ("expected `array`, got `int`", "exclude", "release.yaml:1:1")),
    Case("no mapping", files(config="- 1\n"), 4, ("expected `object`, got `array`", "release.yaml:1:1")),
    Case("unknown choice", files(config="zero: never\n"), 4, ("never", "cargo, minor, semver", "release.yaml:1:1")),
    Case("key twice", files(config="zero: cargo\nzero: minor\n"), 4, ("'zero' twice", "release.yaml:2:1", "keep one")),
    Case("a value that holds itself", files(config="commits: &a [*a]\n"), 4, ("holds itself", "release.yaml:1:1")),
    Case("not UTF-8", files(config=b"zero: \xff\n"), 4, ("release.yaml is not UTF-8",)),
    Case(
        "unknown component in the configuration",
        files(config="components:\n  c: {zero: minor}\n"),
        4,
        ("configures c", "no component", "release.yaml:2:3", "there are: "),
    ),
    Case("tag format without version", files(config="tag: '{name}'\n"), 4, ("tag", "release.yaml:1:1")),
    Case(
        "one tag format for two components",
        files(config="components:\n  a: {tag: 'v{version}'}\n  b: {tag: 'v{version}'}\n"),
        4,
        ("a and b", "same tag"),
    ),
    Case(
        "baseline at an unknown commit",
        files(config=f"baseline:\n  commit: {'f' * 40}\n  versions: {{a: 1.0.0}}\n"),
        4,
        ("ffffffffffff", "not in the history", "baseline.commit"),
    ),
    Case(
        "baseline that is no version",
        files(config=f"baseline:\n  commit: {'f' * 40}\n  versions: {{a: '1.0'}}\n"),
        4,
        ("baseline of a is '1.0'", "release.yaml:3:14", "MAJOR.MINOR.PATCH"),
    ),
    # manifests
    Case("version.php that does not parse", files(php="<?php\n$plugin->version = ;\n"), 5, (f"{PHP}:2",)),
    Case(
        "version.php that computes its version",
        files(php=plugin("local_core").replace("2025010100", "date('Ymd') . '00'")),
        5,
        (f"{PHP}:5:",),
    ),
    Case(
        "version.php without component",
        files(php="<?php\n$plugin->version = 2025010100;\n$plugin->release = '1.0.0';\n"),
        5,
        ("names no component", PHP, "$plugin->component ="),
    ),
    Case(
        "package without a version",
        steps(lambda s: s.commit("feat: x", {"py/pyproject.toml": '[project]\nname = "x"\ndynamic = ["version"]\n'})),
        6,
        ("py/pyproject.toml:", "x has no version", "MAJOR", "ignore"),
    ),
    Case(
        "upgrade.php that does not parse",
        files(upgrade="<?php\nupgrade_plugin_savepoint(true, 2025010100, 'local', 'core');\nif ($o < ) {}\n"),
        5,
        ("db/upgrade.php:3",),
    ),
    Case("Cargo.toml that is no TOML", files(cargo_a="[package\nname = 1"), 5, ("crates/a/Cargo.toml:1",)),
    Case(
        "crate version that is none", files(cargo_a=crate("a", "1.0")), 5, ("crates/a/Cargo.toml:3:", "'1.0'", "1.2.3")
    ),
    Case(
        "workspace version without workspace",
        files(cargo_a=crate("a", "workspace")),
        5,
        ("crates/a/Cargo.toml:3:", "[workspace]", "version of its own"),
    ),
    Case("Cargo.lock that is no TOML", files(lock='= "a"\n'), 5, ("crates/a/Cargo.lock:1",)),
    Case("pyproject.toml that is no TOML", files(pyproject="[project\n"), 5, ("tools/t/pyproject.toml:1",)),
    Case("bundle.json that is no JSON", files(bundle='{"crates": {\n,}}'), 5, ("plugins/local_core/bundle.json:2:1",)),
    Case("bundle.json of another form", files(bundle='{"crate": {}}'), 5, ("bundle.json", '{"crates":')),
    Case("image.yaml that is no YAML", files(image="name: [\n"), 5, ("images/web/image.yaml",)),
    Case(
        "image.yaml with an unknown key",
        files(image=image("web", "1.0.0", "from: php\n")),
        5,
        ("'from'", "image.yaml:3:"),
    ),
    Case(
        "image that names an unknown part",
        files(image=image("web", "1.0.0", "contains:\n  crates: [c]\n")),
        5,
        ("web", "crate c", "image.yaml:4:12", "release status"),
    ),
    Case(
        "image version with build metadata",
        files(image=image("web", "1.0.0+5")),
        5,
        ("1.0.0+5", "OCI tag", "image.yaml:2:10", "write 1.0.0"),
    ),
    Case(
        "chart without version", files(chart="apiVersion: v2\nname: site\n"), 5, ("version", "charts/site/Chart.yaml")
    ),
    Case(
        "chart that pins its image by digest",
        files(values=f"image:\n  repository: ghcr.io/acme/web\n  digest: sha256:{'0' * 64}\n"),
        5,
        ("digest", "charts/site/values.yaml:3:11", "remove the digest"),
    ),
    Case("changelog that is not UTF-8", files(log=b"# Log\n\xff\n"), 5, ("crates/a/CHANGELOG.md:2",)),
    Case(
        "duplicate component",
        added("crates/x/Cargo.toml", crate("a", "3.0.0")),
        5,
        ("called a", "crates/a/Cargo.toml", "crates/x/Cargo.toml", "rename one"),
    ),
    Case(
        "dependency cycle",
        files(cargo_a=crate("a", "1.0.0", '[dependencies]\nb = { path = "../b" }\n')),
        5,
        ("cycle", "a → b → a", "crates/a/Cargo.toml:6:", "crates/b/Cargo.toml:6:", "remove one"),
    ),
    # versions
    Case(
        "version that goes down",
        files(cargo_a=crate("a", "0.9.0")),
        6,
        ("0.9.0", "1.0.0", "go down", "crates/a/Cargo.toml:3:", "set it to 1.0.0"),
    ),
    Case(
        "release as a lower version",
        nothing,
        6,
        ("0.5.0", "go down", "above 1.0.0"),
        ("bump", "a", "--release-as", "0.5.0"),
    ),
    Case(
        "release as no version",
        nothing,
        6,
        ("1.x", "MAJOR.MINOR.PATCH"),
        ("bump", "a", "--release-as", "1.x"),
    ),
    Case(
        "release as a version with build metadata",
        nothing,
        6,
        ("2.0.0+7", "build metadata", "ask for 2.0.0"),
        ("bump", "a", "--release-as", "2.0.0+7"),
    ),
    Case(
        "version that is tagged elsewhere",
        steps(
            lambda s: s.branch("x"), lambda s: s.commit("x"), lambda s: s.tag("a-v1.0.1"), lambda s: s.switch("main")
        ),
        6,
        ("a-v1.0.1", "another line", "--release-as a=VERSION"),
    ),
    # history
    Case(
        "tag that is no version",
        lambda s: s.tag("a-v1.0"),
        8,
        ("a-v1.0", "semantic version", "git tag -d a-v1.0", "ignore-tags"),
    ),
    Case("tag with digits of another script", lambda s: s.tag("a-v1.0.\u0661"), 8, ("semantic version", "git tag -d")),
    Case(
        "trailer that is no version",
        lambda s: s.commit("chore: release\n\nRelease-Component: a 1.1", {"crates/a/x": ""}),
        8,
        ("a 1.1", "semantic version", "trailer"),
    ),
    Case(
        "tag against trailer",
        steps(
            lambda s: s.commit("chore: release\n\nRelease-Component: a 1.1.0", {"crates/a/x": ""}),
            lambda s: s.tag("a-v1.1.0", at="HEAD~1"),
        ),
        8,
        ("a 1.1.0", "a-v1.1.0", "release tag --restore"),
    ),
    Case(
        "unconventional commit where these are forbidden",
        files(config="commits: {unconventional: error}\n"),
        8,
        ("not a Conventional Commit", "Break things", "commits.unconventional"),
    ),
    # the state of the repository
    Case("no identity", nothing, 7, ("who releases", "git config user.name"), env=NOBODY),
    Case("detached HEAD", lambda s: s.git("switch", "-q", "--detach"), 7, ("HEAD is detached", "git switch BRANCH")),
    Case("dirty tree", lambda s: s.write({"crates/a/src/lib.rs": "x"}), 7, ("dirty", "crates/a/src/lib.rs", "stash")),
    Case("merge under way", conflict, 7, ("dirty", "crates/a/src/lib.rs")),
    Case("unknown base", nothing, 7, ("no commit 'nope'", "git fetch"), ("affected", "--base", "nope")),
    Case(
        "unrelated base",
        steps(lambda s: s.git("switch", "-q", "--orphan", "o"), lambda s: s.commit("o"), lambda s: s.switch("main")),
        7,
        ("no common history",),
        ("affected", "--base", "o"),
    ),
    Case(
        "clock that is no number",
        nothing,
        7,
        ("SOURCE_DATE_EPOCH is 'noon'", "unset"),
        env=(("SOURCE_DATE_EPOCH", "noon"),),
    ),
    Case("no remote to push to", nothing, 7, ("no remote 'origin'", "git remote add"), ("bump", "--push")),
    Case("no remote to fetch from", nothing, 7, ("no remote 'origin'",), ("bump", "--fetch")),
    Case(
        "signing that does not work",
        steps(lambda s: s.git("config", "commit.gpgSign", "true"), lambda s: s.git("config", "gpg.program", "false")),
        7,
        ("release commit", "gpg"),
    ),
    # remotes
    Case(
        "remote that refuses", refusing_remote, 10, ("refused the release", "frozen until Monday"), ("bump", "--push")
    ),
    # arguments
    Case("unknown component", nothing, 5, ("no component 'nope'", "release status"), ("bump", "nope")),
    Case("unknown component to explain", nothing, 5, ("no component 'nope'", "release status"), ("why", "nope")),
    Case("bad channel", nothing, 2, ("--pre '1rc'", "letter"), ("bump", "--pre", "1rc")),
    Case(
        "release-as without a name", nothing, 2, ("name the component", "NAME=2.0.0"), ("bump", "--release-as", "2.0.0")
    ),
    Case("plan and channel", nothing, 2, ("--plan",), ("bump", "--plan", "x", "--pre", "rc")),
    Case("unknown command", nothing, 2, ("No such command 'nope'",), ("nope",)),
    Case("unknown option", nothing, 2, ("No such option", "--nope"), ("bump", "--nope")),
    Case("no such folder", nothing, 2, ("nowhere",), ("-C", "nowhere", "status")),
    # plans
    Case("plan that is missing", nothing, 3, ("plan.json", "No such file", "--plan-out"), PLAN),
    Case("plan that is no JSON", plan_file(lambda _: b"{"), 3, ("not a plan", "--plan-out"), PLAN),
    Case("plan that is another thing", plan_file(lambda _: b"[1]"), 3, ("not a plan",), PLAN),
    Case("plan that is not UTF-8", plan_file(lambda _: b"\xff\xfe"), 3, ("not a plan",), PLAN),
    Case(
        "plan of another format", plan_file(lambda b: b.replace(b'"format":1', b'"format":9')), 3, ("format 9",), PLAN
    ),
    Case(
        "plan that was edited",
        plan_file(lambda b: b.replace(b"1.0.1", b"9.9.9")),
        3,
        ("changed after it was made",),
        PLAN,
    ),
    Case(
        "plan for another branch", steps(plan_file(bytes), lambda s: s.branch("other")), 3, ("for main", "other"), PLAN
    ),
    Case(
        "plan for another commit",
        steps(plan_file(bytes), lambda s: s.commit("chore: on")),
        3,
        ("has moved", "HEAD", "plan again"),
        PLAN,
    ),
    Case("plan to an impossible place", nothing, 11, ("plan.json",), ("bump", "--plan-out", "nowhere/plan.json")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_ends_with_its_own_error_and_changes_nothing(scratch: Scratch, case: Case) -> None:
    if case.name.startswith("unconventional"):
        scratch.touch("Break things", "crates/a/src/lib.rs")
    case.break_(scratch)
    before = scratch.state()
    result = scratch.run(*case.args, env=dict(case.env))
    for word in case.words:
        assert word in result.err, result.err
    assert result.code == case.code, result.err
    assert "Traceback" not in result.err
    assert "internal error" not in result.err
    if case.code != 2:
        assert len([line for line in result.err.splitlines() if line.startswith("error: ")]) == 1
        assert "\n  fix " in result.err
    assert scratch.state() == before
    assert not (scratch.path / ".git/release/journal.json").exists()


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) >= 30


def test_outside_of_any_repository_it_says_so(scratch: Scratch, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    result = scratch.run("status", cwd=tmp_path / "plain", env={"GIT_CEILING_DIRECTORIES": str(tmp_path)})
    assert result.code == 7
    assert "not in a git repository" in result.err
    assert "fix run release inside one" in result.err


def test_a_bare_repository_is_refused(scratch: Scratch, tmp_path: Path) -> None:
    scratch.clone(tmp_path / "bare.git", "--bare")
    result = scratch.run("status", cwd=tmp_path / "bare.git")
    assert result.code == 7
    assert "bare repository" in result.err
    assert "clone with a work tree" in result.err


HOLDER = """
import sys
from pathlib import Path
from release.repository.git import Repository
from release.repository.lock import locked

with locked(Repository.open(Path(".")), "release bump --push"):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_held_lock_names_its_holder_and_can_be_waited_for(scratch: Scratch) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDER,
        ],
        cwd=scratch.path,
        env=scratch.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdin is not None
    assert holder.stdout is not None
    with holder:
        assert holder.stdout.readline() == b"held\n"
        before = scratch.state()
        result = scratch.run("bump")
        assert result.code == 9
        assert "`release bump --push`" in result.err
        assert f"process {holder.pid}" in result.err
        assert "--wait SECONDS" in result.err
        assert scratch.state() == before
        assert scratch.run("status").code == 0
        waiting = scratch.start("bump", "--wait", "60")
        assert waiting.stderr is not None
        assert b"waiting for another release" in waiting.stderr.readline()
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        waiting.communicate()
        assert waiting.returncode == 0
    assert "a-v1.0.1" in scratch.tags()


@pytest.mark.parametrize("damage", ["empty", "garbage", "cut", "flipped", "folder"])
def test_a_damaged_side_index_is_ignored(scratch: Scratch, damage: str) -> None:
    expected = scratch.versions()
    index = scratch.path / ".git/release/index"
    good = index.read_bytes()
    index.unlink()
    match damage:
        case "empty":
            index.write_bytes(b"")
        case "garbage":
            index.write_bytes(os.urandom(1000))
        case "cut":
            index.write_bytes(good[:-20])
        case "flipped":
            index.write_bytes(good[:60] + bytes([good[60] ^ 1]) + good[61:])
        case "folder":
            index.mkdir()
    assert scratch.versions() == expected
    scratch.run("bump").ok()
    assert scratch.versions() == {}


def test_a_damaged_journal_is_cleared_away(scratch: Scratch) -> None:
    (scratch.path / ".git/release").mkdir()
    (scratch.path / ".git/release/journal.json").write_text('{"plan": ')
    scratch.run("bump").ok()
    assert "a-v1.0.1" in scratch.tags()


def test_a_remote_that_is_gone_takes_nothing_and_the_same_command_works_when_it_is_back(scratch: Scratch) -> None:
    bare = remote(scratch)
    bare.rename(bare.with_name("away.git"))
    before = scratch.state()
    result = scratch.run("bump", "--push")
    assert result.code == 10
    assert "origin can't be reached" in result.err
    assert "run the same command" in result.err
    assert scratch.state() == before
    bare.with_name("away.git").rename(bare)
    scratch.run("bump", "--push").ok()
    there = Scratch(bare, init=False)
    assert there.git("rev-parse", "main") == scratch.git("rev-parse", "main")
    assert there.tags() == scratch.tags()


@contextmanager
def read_only(*folders: Path) -> Iterator[None]:
    found = [path for folder in folders for path in (folder, *folder.rglob("*")) if path.is_dir()]
    modes = {path: path.stat().st_mode for path in found}
    try:
        for path in found:
            path.chmod(0o555)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def unprivileged() -> list[str]:
    """Return the command that runs others without the right to pass over permissions, which root has."""
    if os.geteuid() != 0:
        return []
    command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
    if shutil.which("setpriv") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("root can write everywhere here, and setpriv can't take that right away")
    return command


@pytest.mark.parametrize("folder", [".git/refs", ".git/objects", ".git", "crates/a", "."])
def test_a_read_only_folder_is_named_and_nothing_is_changed(scratch: Scratch, folder: str) -> None:
    command = unprivileged()
    before = scratch.state()
    with read_only(scratch.path / folder):
        done = subprocess.run(
            [*command, sys.executable, "-m", "release", "bump"],
            cwd=scratch.path,
            env={**scratch.environment, "SOURCE_DATE_EPOCH": str(scratch.clock)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 11, done.stderr
    assert "can't be written" in done.stderr
    assert "fix " in done.stderr
    assert scratch.state() == before
    scratch.run("bump").ok()
    assert scratch.git("status", "--porcelain") == ""


def test_status_works_where_nothing_can_be_written(scratch: Scratch) -> None:
    command = unprivileged()
    with read_only(scratch.path):
        done = subprocess.run(
            [*command, sys.executable, "-m", "release", "status", "--json"],
            cwd=scratch.path,
            env=scratch.environment,
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["components"]) == 5


@pytest.fixture
def small_disk(template: Scratch, tmp_path: Path) -> Iterator[Scratch]:
    """Return a copy of the repository on a file system of its own, of 2 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems can't be mounted here")
    try:
        shutil.copytree(template.path, disk / "r", ignore=shutil.ignore_patterns("*.sample"))
        yield Scratch(disk / "r", init=False, clock=template.clock)
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_on_a_full_disk_nothing_is_changed_however_far_it_gets(small_disk: Scratch) -> None:
    before = small_disk.state()
    ballast = small_disk.path.parent / "ballast"
    codes = []
    for pages in range(0, 60, 6):
        with ballast.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                size = file.tell() - pages * 4096
            file.truncate(size)
        result = small_disk.run("bump")
        codes.append(result.code)
        ballast.unlink()
        if result.code == 0:
            break
        assert result.code == 11, result.err
        assert "fix free space" in result.err
        assert small_disk.state() == before
    assert codes[0] == 11
    small_disk.run("bump").ok()
    assert small_disk.git("status", "--porcelain") == ""
    assert small_disk.versions() == {}
