"""Generate the workflows of a repository, and find what differs from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from release.ci.compose import compose
from release.ci.drift import moved, only_pins
from release.ci.gaps import ignored
from release.ci.pins import OWN, Pins
from release.ci.render import MARK, Dialect, text
from release.ci.site import Site
from release.ci.workflow import Workflow
from release.errors import ConfigError, Place
from release.formats.yaml_emit import emit
from release.repository.git import Repository
from release.repository.tree import WorkTree
from release.workspace.config import CONFIG, load
from release.workspace.discover import discover

__all__ = ["FOLDER", "Drift", "drift", "generate", "regenerate", "survey_site", "wanted"]

FOLDER = ".github/workflows"
LINTER = ".github/actionlint.yaml"
ATTRIBUTES = ".gitattributes"


@dataclass(frozen=True, slots=True)
class Drift:
    """A file that is not as it should be: ``missing``, ``stale``, an ``orphan``, or ``foreign`` (written by hand)."""

    path: str
    state: str
    moved: tuple[str, ...] = ()
    diff: str = ""
    only_pins: bool = False


def survey_site(repository: Repository) -> Site:
    """Return what the tracked files on disk say to the catalogue."""
    tree = WorkTree(repository)
    found = tree.read_many([CONFIG, OWN])
    disk = repository.root / CONFIG
    content = found.get(CONFIG) or (disk.read_bytes() if disk.is_file() else None)
    config = load(content)
    own = repository.root / OWN
    pins = Pins.load(own.read_bytes() if own.is_file() else None)
    workspace = discover(tree, config)
    return Site.of(tree, config, workspace.components, pins)


def wanted(workflows: tuple[Workflow, ...], dialect: Dialect = "github") -> dict[str, str]:
    """Return the files that ``workflows`` are, by path, with the linter's settings where these need any."""
    files = {f"{FOLDER}/{workflow.id}.yml": text(workflow, dialect) for workflow in workflows}
    gaps = ignored(files)
    if gaps:
        said = dict.fromkeys(f"{gap.why}: {gap.link}" for found in gaps.values() for gap in found)
        header = [f"{MARK.removeprefix('# ')}: what actionlint doesn't know yet.", *said]
        paths = {path: {"ignore": [gap.message for gap in found]} for path, found in gaps.items()}
        files[LINTER] = emit({"paths": paths}, header=header)
    return files


def drift(repository: Repository, files: Mapping[str, str]) -> tuple[Drift, ...]:
    """Return what on disk differs from ``files``, and generated files that are not among them."""
    found = []
    for path, content in files.items():
        there = _read(repository.root / path)
        if there is None:
            found.append(Drift(path, "missing"))
        elif there != content:
            state = "stale" if there.startswith(MARK) else "foreign"
            diff = _diff(path, there, content)
            found.append(Drift(path, state, tuple(moved(there, content)), diff, only_pins(there, content)))
    found += [Drift(path, "orphan") for path in _generated(repository) if path not in files]
    missing = _unmarked(repository, files)
    if missing:
        found.append(Drift(ATTRIBUTES, "stale", tuple(f"{path} is not marked linguist-generated" for path in missing)))
    return tuple(found)


def generate(repository: Repository, files: Mapping[str, str], *, force: bool = False) -> tuple[Drift, ...]:
    """Make the repository's generated files equal to ``files``, remove orphans, and return what was different.

    Raises:
        ConfigError: a file in the way was written by hand, and ``force`` is not set, or a folder is in the way; nothing
            is written then.
    """
    found = drift(repository, files)
    folders = [one.path for one in found if (repository.root / one.path).is_dir()]
    if folders:
        raise ConfigError(
            f"{folders[0]} is a folder, and a file is to be written there",
            where=[Place(path) for path in folders],
            fix="move it away",
        )
    foreign = [one.path for one in found if one.state == "foreign"]
    if foreign and not force:
        raise ConfigError(
            f"{foreign[0]} was not generated, and would be overwritten",
            where=[Place(path) for path in foreign],
            fix="move it away, leave the workflow out (`ci.without` in release.yaml), or use --force",
        )
    for one in found:
        path = repository.root / one.path
        if one.state == "orphan":
            path.unlink()
        elif one.path == ATTRIBUTES:
            before = _read(path) or ""
            lines = "".join(f"/{name} linguist-generated\n" for name in _unmarked(repository, files))
            _write(path, (before if before.endswith("\n") or not before else f"{before}\n") + lines)
        else:
            _write(path, files[one.path])
    return found


def regenerate(repository: Repository) -> tuple[Drift, ...]:
    """Generate the workflows anew from what is on disk; return what was different."""
    return generate(repository, wanted(compose(survey_site(repository))))


def _diff(path: str, there: str, wanted: str) -> str:
    import difflib

    before, after = there.splitlines(keepends=True), wanted.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, path, f"{path} (generated)"))


def _generated(repository: Repository) -> list[str]:
    """Return the paths of all files on disk that were generated, sorted."""
    folder = repository.root / FOLDER
    paths = [*sorted(folder.glob("*.yml")), *sorted(folder.glob("*.yaml")), repository.root / LINTER]
    return [path.relative_to(repository.root).as_posix() for path in paths if (_read(path) or "").startswith(MARK)]


def _unmarked(repository: Repository, files: Mapping[str, str]) -> list[str]:
    """Return those of ``files`` that git's attributes don't mark as generated."""
    if not files:
        return []
    out = repository.text("check-attr", "linguist-generated", "--", *files)
    states = [line.rpartition(": ")[2] for line in out.splitlines()]
    return [path for path, state in zip(files, states, strict=True) if state not in ("set", "true")]


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode(errors="replace")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None


def _write(path: Path, content: str) -> None:
    """Write the file in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    try:
        fresh.write_bytes(content.encode())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
