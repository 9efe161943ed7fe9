"""The side index: what it remembers is what git says, whatever happened between two runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from release.flow.survey import Survey, survey
from release.repository.git import Repository
from release.repository.history import History
from scratch import Scratch, crate, plugin, workspace_toml

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture
def repository(tmp_path: Path) -> Scratch:
    scratch = Scratch(tmp_path / "repository")
    scratch.write(
        {
            "Cargo.toml": workspace_toml("crates/*"),
            **{f"crates/{name}/Cargo.toml": crate(name, "1.0.0") for name in NAMES},
            "plugins/local_delta/version.php": plugin("local_delta", 2026010100, "1.0.0"),
        }
    )
    scratch.commit("feat: begin")
    scratch.tag(*(f"{name}-v1.0.0" for name in (*NAMES, "local_delta")))
    return scratch


def said(found: Survey) -> object:
    """Return all that a survey says of its components."""
    return found.points, found.finals, found.decisions, found.news, found.tag_builds, found.graph.order


def fresh(scratch: Scratch) -> Survey:
    """Return the survey of a run that remembers nothing."""
    (scratch.path / ".git" / "release" / "index").unlink(missing_ok=True)
    return survey(Repository.open(scratch.path))


def _commit(scratch: Scratch, chance: random.Random) -> None:
    name = chance.choice(NAMES)
    scratch.touch(
        f"{chance.choice(['feat', 'fix', 'chore'])}: {chance.random()}", f"crates/{name}/src/{chance.randrange(9)}.rs"
    )


def _branch(scratch: Scratch, chance: random.Random) -> None:
    scratch.git("switch", "--quiet", "--create", f"side-{chance.randrange(10**9)}", f"HEAD~{chance.randrange(2)}")


def _merge(scratch: Scratch, chance: random.Random) -> None:
    sides = scratch.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    scratch.git("merge", "--quiet", "--no-edit", "-X", "ours", chance.choice(sides))


def _reset(scratch: Scratch, chance: random.Random) -> None:
    scratch.git("reset", "--quiet", "--hard", f"HEAD~{chance.randrange(2)}")


def _tag(scratch: Scratch, chance: random.Random) -> None:
    scratch.tag(f"{chance.choice(NAMES)}-v1.{chance.randrange(9)}.{chance.randrange(10**6)}")


def _untag(scratch: Scratch, chance: random.Random) -> None:
    found = [tag for tag in scratch.tags() if not tag.endswith("-v1.0.0")]
    if found:
        scratch.git("tag", "--delete", chance.choice(found))


MOVES: tuple[Callable[[Scratch, random.Random], None], ...] = (_commit, _commit, _branch, _merge, _reset, _tag, _untag)


@pytest.mark.parametrize("seed", range(6))
def test_a_warm_survey_says_what_a_cold_one_says_whatever_happened_between_them(repository: Scratch, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(3):
        _commit(repository, chance)
    for _ in range(12):
        chance.choice(MOVES)(repository, chance)
        warm = said(survey(Repository.open(repository.path)))
        index = (repository.path / ".git" / "release" / "index").read_bytes()
        assert warm == said(fresh(repository)), f"seed {seed}"
        (repository.path / ".git" / "release" / "index").write_bytes(index)


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[:0], lambda content: content[: len(content) // 2], lambda content: content[:-1] + b"\0"],
    ids=["empty", "cut", "one byte changed"],
)
def test_a_damaged_index_is_ignored(repository: Scratch, damage: Callable[[bytes], bytes]) -> None:
    repository.touch("feat: more", "crates/alpha/src/lib.rs")
    before = said(fresh(repository))
    index = repository.path / ".git" / "release" / "index"
    index.write_bytes(damage(index.read_bytes()))
    assert said(survey(Repository.open(repository.path))) == before


def test_a_warm_survey_reads_no_commit_again(repository: Scratch, monkeypatch: pytest.MonkeyPatch) -> None:
    repository.touch("feat: more", "crates/alpha/src/lib.rs")
    fresh(repository)

    def refuse(*_: object) -> None:
        pytest.fail("history was read again")

    monkeypatch.setattr(History, "_read", refuse)
    assert survey(Repository.open(repository.path)).decisions["alpha"].reasons


def test_a_message_and_paths_with_every_odd_character_are_read_as_they_are(repository: Scratch) -> None:
    path = "crates/alpha/src/A M\té\n\u2028.rs"
    message = "feat: \u00e9 M\tA\n\nA\tcrates/beta/x\n\x01" + "a" * 40
    sha = repository.touch(message, path)
    found = fresh(repository)
    assert found.decisions["alpha"].reasons[0].commit == sha
    assert found.decisions["alpha"].reasons[0].subject == "feat: \u00e9 M\tA"
    assert not found.decisions["beta"].reasons


def test_a_tip_that_was_collected_as_garbage_leaves_every_commit_once_in_the_graph(repository: Scratch) -> None:
    repository.touch("fix: kept", "crates/alpha/src/lib.rs")
    repository.touch("fix: gone", "crates/alpha/src/lib.rs")
    survey(Repository.open(repository.path))
    repository.git("reset", "-q", "--hard", "HEAD~1")
    repository.git("reflog", "expire", "--expire=now", "--all")
    repository.git("gc", "-q", "--prune=now")
    head = repository.touch("feat: after", "crates/beta/src/lib.rs")
    found = survey(Repository.open(repository.path))
    assert list(found.graph.order) == repository.git("rev-list", "--topo-order", head).split()
    assert said(found) == said(fresh(repository))


def test_names_with_line_breaks_are_answered_in_step(repository: Scratch) -> None:
    repository.commit("feat: odd", {"a\nb": "odd\n", "c": "plain\n"})
    names = ["HEAD:a\nb", "HEAD:c", "HEAD:no\nsuch", "HEAD:none", "HEAD:c"]
    assert Repository.open(repository.path).contents(names) == [b"odd\n", b"plain\n", None, None, b"plain\n"]
