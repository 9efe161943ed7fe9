"""Moodle's build numbers at the tags of plugins and at the heads of the lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from release.errors import FormatError
from release.model.component import Component
from release.planning.points import Tagged
from release.repository.git import Repository
from release.repository.history import History
from release.repository.tree import CommitTree

if TYPE_CHECKING:
    from release.formats.version_php import VersionPhp

__all__ = ["builds"]


def builds(
    repository: Repository,
    history: History,
    components: Mapping[str, Component],
    names: Mapping[str, frozenset[str]],
    tagged: Mapping[str, Sequence[Tagged]],
    heads: Mapping[str, str],
) -> tuple[dict[str, list[tuple[str, int]]], dict[str, dict[str, int]]]:
    """Return the build numbers of each component at its tags and at ``heads``, as far as it was there.

    ``names`` says what each component is and was called in its own file, by which it is found where its file is not
    at today's place.
    """
    from release.formats.version_php import build_number

    wanted = [
        (name, label, commit, is_tag)
        for name, component in components.items()
        if component.build is not None
        for label, commit, is_tag in (
            *((tag.name, tag.commit, True) for tag in tagged.get(name, ())),
            *((branch, commit, False) for branch, commit in heads.items()),
        )
    ]
    here = history.numbers([f"{commit}:{components[name].manifest}" for name, _, commit, _ in wanted], build_number)
    elsewhere = _elsewhere(
        repository,
        history,
        {
            (name, commit): names[name]
            for name, _, commit, _ in wanted
            if here[f"{commit}:{components[name].manifest}"] is None
        },
    )
    at_tags: dict[str, list[tuple[str, int]]] = {}
    at_heads: dict[str, dict[str, int]] = {}
    for name, label, commit, is_tag in wanted:
        number = here[f"{commit}:{components[name].manifest}"]
        if number is None:
            number = elsewhere[name, commit]
        if number is None:
            continue
        if is_tag:
            at_tags.setdefault(name, []).append((label, number))
        else:
            at_heads.setdefault(name, {})[label] = number
    return at_tags, at_heads


def _elsewhere(
    repository: Repository, history: History, wanted: Mapping[tuple[str, str], frozenset[str]]
) -> dict[tuple[str, str], int | None]:
    """Return the build number of each wanted (component, commit) whatever folder declares one of its names there."""
    facts = {key: f"{key[1]} build {' '.join(sorted(called))}" for key, called in wanted.items()}
    asked = {facts[key]: (key[1], called) for key, called in wanted.items()}
    sought = frozenset[str]().union(*wanted.values())

    def find(missing: Sequence[str]) -> list[int | None]:
        """Search one commit after the other; what is at the same places in the others needs no search there."""
        found: dict[str, int] = {}
        searched: set[str] = set()
        for fact in missing:
            commit, _ = asked[fact]
            if fact in found or commit in searched:
                continue
            places = _places(CommitTree(repository, commit), sought)
            candidates = [
                (other, path)
                for other in missing
                if other not in found and asked[other][0] not in searched
                for name in asked[other][1]
                for path in places.get(name, ())
            ]
            searched.add(commit)
            contents = repository.contents([f"{asked[other][0]}:{path}" for other, path in candidates])
            for (other, path), content in zip(candidates, contents, strict=True):
                declared = _facts(content, path)
                if declared is not None and declared.name in asked[other][1] and declared.build is not None:
                    found[other] = max(declared.build, found.get(other, 0))
        return [found.get(fact) for fact in missing]

    numbers = history.remembered(list(asked), find)
    return {key: numbers[fact] for key, fact in facts.items()}


def _places(tree: CommitTree, sought: frozenset[str]) -> dict[str, list[str]]:
    """Return the files of ``tree`` that declare the plugins ``sought``, by name."""
    paths = [
        path for path in tree.files() if path.rpartition("/")[2] == "version.php" and "tests/fixtures/" not in path
    ]
    places: dict[str, list[str]] = {}
    for path, content in tree.read_many(paths).items():
        if any(name.encode() in content for name in sought):
            facts = _facts(content, path)
            if facts is not None and facts.name in sought:
                places.setdefault(facts.name, []).append(path)
    return places


def _facts(content: bytes | None, path: str) -> VersionPhp | None:
    from release.formats.version_php import parse

    try:
        return None if content is None else parse(content, path)
    except FormatError:
        return None
