"""``release affected``: what contained a component at the base counts, though HEAD knows nothing of it any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from scratch import Scratch, image, plugin


@pytest.fixture
def campus(tmp_path: Path) -> Scratch:
    """Return a monorepo: block_top needs local_middle, which needs local_base; nothing needs mod_alone."""
    repository = Scratch(tmp_path / "campus")
    repository.commit(
        "feat: begin",
        {
            "plugins/local_base/version.php": plugin("local_base"),
            "plugins/local_base/lib.php": "<?php\n",
            "plugins/local_middle/version.php": plugin("local_middle", dependencies={"local_base": 2025010100}),
            "plugins/block_top/version.php": plugin("block_top", dependencies={"local_middle": 2025010100}),
            "plugins/mod_alone/version.php": plugin("mod_alone"),
            "README.md": "# Campus\n",
        },
    )
    return repository


def _affected(repository: Scratch) -> set[str]:
    return set(repository.run("affected", "--base", "HEAD~1").ok().out.split())


def test_what_needed_a_component_that_is_gone_is_affected(campus: Scratch) -> None:
    campus.git("rm", "-q", "-r", "plugins/local_base")
    campus.commit("feat!: no base any more", {})
    assert _affected(campus) == {"local_middle", "block_top"}
    explained = campus.run("affected", "--base", "HEAD~1", "--explain").ok().out
    assert "local_middle: plugins/local_base/lib.php → local_base → local_middle" in explained


def test_what_needed_a_component_by_its_old_name_is_affected(campus: Scratch) -> None:
    campus.commit("feat!: another name", {"plugins/local_base/version.php": plugin("local_root")})
    assert _affected(campus) == {"local_root", "local_middle", "block_top"}


def test_the_plan_job_sees_it_too(campus: Scratch) -> None:
    campus.write({"noxfile.py": "import nox\n\n\n@nox.session\ndef php(session):\n    session.log('php')\n"})
    campus.commit("ci: test", {})
    before = campus.git("rev-parse", "HEAD")
    campus.git("rm", "-q", "-r", "plugins/local_base")
    campus.commit("feat!: no base any more", {})
    event = campus.home / "event.json"
    event.write_text(f'{{"ref": "refs/heads/main", "before": "{before}"}}')
    environment = {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(event)}
    outputs = campus.run("affected", "--github", "ci", "--json", env=environment).ok().json["outputs"]
    assert '"components":"local_middle"' in outputs["test-plugin-cells"]
    assert "mod_alone" not in outputs["test-plugin-cells"]


def test_everything_is_affected_where_the_components_of_then_can_not_be_read(campus: Scratch) -> None:
    campus.commit("feat: break it", {"images/web/image.yaml": "name: [\n"})
    campus.commit("fix: mend it", {"images/web/image.yaml": image("web")})
    assert _affected(campus) == {"web", "local_base", "local_middle", "block_top", "mod_alone"}


def test_an_ordinary_file_affects_its_component_and_what_contains_it(campus: Scratch) -> None:
    campus.touch("fix: middle", "plugins/local_middle/lib.php")
    assert _affected(campus) == {"local_middle", "block_top"}
    campus.touch("docs: say more", "README.md")
    assert _affected(campus) == set()
