from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from scratch import Scratch, chart

FILES: Mapping[str, str] = {
    "charts/web/Chart.yaml": chart("web", "0.9.0", "1.2.3", "description: The site\n"),
    "charts/web/values.yaml": "a: 1\n",
    "charts/web/templates/map.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n",
    "charts/web/templates/.swp": "x",
    "charts/web/.helmignore": "*.md\n/ci\n",
    "charts/web/README.md": "x\n",
    "charts/web/ci/values.yaml": "x: 1\n",
}
DEPENDS = 'dependencies:\n  - name: base\n    version: 2.0.0\n    repository: "file://../base"\n'
BASE = {"charts/base/Chart.yaml": chart("base", "2.0.0"), "charts/base/values.yaml": "b: 2\n"}


def made(path: Path, files: Mapping[str, str]) -> Scratch:
    scratch = Scratch(path / "work")
    scratch.commit("feat: start", {**FILES, **files})
    return scratch


def packaged(scratch: Scratch, name: str = "web") -> Path:
    return scratch.path / str(scratch.run("package", name, "--json").ok().json["packages"][0]["path"])


def helm() -> str:
    found = os.environ.get("HELM") or shutil.which("helm")
    if found is None:
        pytest.skip("helm is not installed (HELM can name it)")
    return found


def test_a_chart_becomes_an_archive_with_what_helm_takes_of_its_folder(tmp_path: Path) -> None:
    path = packaged(made(tmp_path, {}))
    assert path.name == "web-0.9.0.tgz"
    with tarfile.open(path) as archive:
        assert archive.getnames() == [
            "web/.helmignore",
            "web/Chart.yaml",
            "web/templates/map.yaml",
            "web/values.yaml",
        ]


def test_two_clones_give_the_same_chart(tmp_path: Path) -> None:
    scratch = made(tmp_path, {**BASE, "charts/web/Chart.yaml": chart("web", "0.9.0", further=DEPENDS)})
    other = scratch.clone(tmp_path / "elsewhere")
    other.write({"charts/web/values.yaml": "changed: 1\n"})
    assert packaged(scratch).read_bytes() == packaged(other).read_bytes()


def test_a_chart_of_the_same_repository_that_it_depends_on_is_put_into_it(tmp_path: Path) -> None:
    scratch = made(tmp_path, {**BASE, "charts/web/Chart.yaml": chart("web", "0.9.0", further=DEPENDS)})
    with tarfile.open(packaged(scratch)) as archive:
        inner = archive.extractfile("web/charts/base-2.0.0.tgz")
        assert inner is not None
        assert inner.read() == packaged(scratch, "base").read_bytes()


def test_a_dependency_that_is_not_there_is_refused_at_its_place(tmp_path: Path) -> None:
    remote = DEPENDS.replace("file://../base", "https://charts.example.org")
    scratch = made(tmp_path, {"charts/web/Chart.yaml": chart("web", "0.9.0", further=remote)})
    result = scratch.run("package", "web")
    assert (result.code, "charts/web/Chart.yaml:6:" in result.err) == (16, True)
    scratch.commit("build: vendor", {"charts/web/charts/base/Chart.yaml": chart("base", "2.0.0"), "release.yaml":
                                     "version: 1\nignore: [/charts/web/charts/]\n"})  # fmt: skip
    with tarfile.open(packaged(scratch)) as archive:
        assert "web/charts/base/Chart.yaml" in archive.getnames()


def test_a_link_or_a_path_too_long_is_refused(tmp_path: Path) -> None:
    scratch = made(tmp_path, {})
    (scratch.path / "charts/web/link").symlink_to("values.yaml")
    scratch.commit("feat: link")
    assert "link is a symbolic link" in scratch.run("package", "web").err
    scratch.commit("fix: ignore", {"charts/web/.helmignore": "link\n"})
    packaged(scratch)
    scratch.commit("feat: long", {f"charts/web/{'d' * 150}/{'e' * 150}": "x"})
    result = scratch.run("package", "web")
    assert (result.code, "shorten the path" in result.err) == (16, True)


def test_helm_itself_reads_the_chart_and_would_pack_the_same_files(tmp_path: Path) -> None:
    program = helm()
    scratch = made(tmp_path, {**BASE, "charts/web/Chart.yaml": chart("web", "0.9.0", further=DEPENDS)})
    path = packaged(scratch)
    env = {**scratch.environment, "HELM_CACHE_HOME": str(tmp_path / "c"), "HELM_CONFIG_HOME": str(tmp_path / "d")}

    def run(*words: str) -> str:
        done = subprocess.run([program, *words], cwd=scratch.path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "kind: ConfigMap" in run("template", "x", str(path))
    assert "version: 0.9.0" in run("show", "chart", str(path))
    run("package", "charts/web", "-u", "-d", str(tmp_path / "theirs"))
    with tarfile.open(path) as ours, tarfile.open(tmp_path / "theirs/web-0.9.0.tgz") as theirs:
        unpacked = {name for name in theirs.getnames() if "/charts/base/" not in name and name != "web/Chart.lock"}
        assert {name for name in ours.getnames() if "/charts/" not in name} == {
            name for name in unpacked if "/charts/" not in name
        }
