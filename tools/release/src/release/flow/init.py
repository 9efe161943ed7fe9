"""Set up a repository that ``release`` does not know yet: look at it, write ``release.yaml``, make a baseline."""

from __future__ import annotations

import enum
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from release.errors import ConfigError, FormatError, HistoryError, Place, WorkspaceError
from release.model.component import Component
from release.model.version import Version, parse_version
from release.planning.points import Tagged, TagPattern, match_tags
from release.repository.git import Repository
from release.repository.landing import create_tag, delete_tags, require_identity
from release.repository.refs import Tag, branches, tags
from release.repository.tree import CommitTree
from release.workspace.config import CONFIG, Config, load
from release.workspace.discover import Workspace, discover

__all__ = ["Baseline", "Found", "Setup", "Trouble", "look", "prepare", "write"]

FORMATS = (
    "{name}-v{version}",
    "{name}/v{version}",
    "{name}@{version}",
    "{name}@v{version}",
    "{name}/{version}",
    "{name}-{version}",
    "{name}_v{version}",
    "v{version}",
    "{version}",
)
"""Tag formats that are looked for, the preferred one first."""

_LINES = ("MOODLE_*_STABLE", "*_STABLE", "stable-*", "*-stable", "maint-*", "*.x")
_ASIDE = re.compile(r"(?:^|/)(?:tests?|fixtures?|testdata|examples?|samples?|templates?|vendor|third[_-]?party)(?:/|$)")
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
UNKNOWN = "0.0.0"
"""The recorded version of a component whose file has none that can be read: below whatever will be written there."""


_HEAD = """# What `release` has to know about this repository; what is left out has its usual value.
# All keys: `release config schema`; all values that count: `release config show`.
version: 1
"""
_MAIN = "# The main line: its Moodle build numbers stay above those of all maintenance branches.\n"
_MAINTENANCE = "# Branches on which the date in a Moodle build number is frozen, and only its last two digits rise.\n"
_ZERO = """# Below 1.0.0 a breaking change raises the minor part and a feature the patch, as Cargo has it;
# `minor` raises the minor part for both, `semver` goes to 1.0.0.
# zero: cargo
"""
_IGNORE = "# Where no components are looked for, as in .gitignore.\n"
_EXCLUDE = """# Files whose change releases nothing.
# exclude:
#   - tests/
#   - "*.md"
"""


class Baseline(enum.Enum):
    """How versions that were released before ``release`` came are made known."""

    TAGS = "tags"
    """A tag at HEAD for each component that has none."""
    RECORDED = "recorded"
    """The declared versions are written into ``release.yaml``."""
    NONE = "none"
    """Nothing counts as released: the first bump releases the declared versions."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A folder that is left out, or a component that needs a hand, and why."""

    subject: str
    place: Place
    what: str
    fix: str


@dataclass(frozen=True, slots=True)
class Found:
    """A component, the format of its tags and its newest tag in the history of HEAD."""

    component: Component
    tag_format: str | None
    last: Tagged | None


@dataclass(frozen=True, slots=True)
class Setup:
    """What was found, and what is to be written for it."""

    head: str
    main: str
    maintenance: tuple[str, ...]
    tag: str
    components: tuple[Found, ...]
    left_out: tuple[Trouble, ...]
    to_mend: tuple[Trouble, ...]
    odd_tags: tuple[str, ...]
    foreign_tags: int
    baseline: Baseline
    text: str
    new_tags: tuple[tuple[str, str, str], ...]
    """(tag, component, version) of each tag to make at HEAD."""


@dataclass(frozen=True, slots=True)
class _Look:
    workspace: Workspace
    ignore: tuple[str, ...]
    left_out: tuple[Trouble, ...]


def look(repository: Repository, head: str) -> _Look:
    """Return the components of ``head``; folders whose manifests can't be components' are left out.

    Left out is what can't be read, and of two components with one name the one in a folder for tests, examples or
    other people's code.

    Raises:
        WorkspaceError: two components have one name, or edges form a cycle.
    """
    tree = CommitTree(repository, head)
    ignore: list[str] = []
    left_out: list[Trouble] = []
    while True:
        try:
            return _Look(discover(tree, Config(ignore=tuple(ignore))), tuple(ignore), tuple(left_out))
        except FormatError as error:
            place = error.where[0] if error.where else None
            if place is None or _pattern(place.path) in ignore:
                raise
            trouble = Trouble(place.path, place, error.what, f"mend it, then take it out of `ignore` in {CONFIG}")
        except WorkspaceError as error:
            aside = [place for place in error.where if _ASIDE.search(place.path)]
            if len(error.where) != 2 or len(aside) != 1 or _pattern(aside[0].path) in ignore:
                raise
            place = aside[0]
            trouble = Trouble(place.path, place, error.what, f"if it is a component, rename it (see {CONFIG})")
        ignore.append(_pattern(place.path))
        left_out.append(trouble)


def prepare(repository: Repository, baseline: Baseline | None, *, force: bool = False) -> Setup:
    """Return what is here and what would be written.

    ``baseline`` is ``recorded`` by default, ``none`` where each component has a tag.

    Raises:
        ConfigError: there is a ``release.yaml`` already, and ``force`` is not set.
        WorkspaceError: the components contradict each other, or there are none.
        HistoryError: a tag to be made exists on another line of history.
    """
    path = repository.root / CONFIG
    if path.exists() and not force:
        raise ConfigError(
            f"there is a {CONFIG} already", where=[Place(CONFIG)], fix="edit it, or write another with --force"
        )
    head = repository.head()
    seen = look(repository, head)
    components = seen.workspace.components
    if not components:
        raise WorkspaceError(
            "there is no component here: no version.php, Cargo.toml, pyproject.toml, image.yaml or Chart.yaml",
            fix="commit the components first",
        )
    listed = tags(repository)
    inside = set(repository.text("rev-list", head).split())
    formats, matched = _formats(components, listed)
    tag = _common(formats)
    found = tuple(
        Found(component, formats.get(name), _last(matched.get(name, ()), inside))
        for name, component in components.items()
    )
    if baseline is None:
        baseline = Baseline.NONE if all(one.last for one in found) else Baseline.RECORDED
    overrides = {one.component.name: one.tag_format for one in found if one.tag_format not in (None, tag)}
    odd = _odd_tags(components, tag, overrides, listed)
    new_tags = _new_tags(found, tag) if baseline is Baseline.TAGS else ()
    _refuse_taken(new_tags, listed)
    main = _main(repository)
    maintenance = _maintenance(repository)
    text = _text(
        main=main,
        maintenance=maintenance,
        tag=tag,
        ignore=seen.ignore,
        odd_tags=odd,
        overrides=overrides,
        head=head,
        recorded=_recorded(found, baseline),
    )
    config = load(text.encode())
    discover(CommitTree(repository, head), config)
    known = {tagged.name for some in matched.values() for tagged in some}
    return Setup(
        head=head,
        main=main,
        maintenance=maintenance,
        tag=tag,
        components=found,
        left_out=seen.left_out,
        to_mend=tuple(_to_mend(found)),
        odd_tags=odd,
        foreign_tags=sum(one.name not in known and one.name not in odd for one in listed),
        baseline=baseline,
        text=text,
        new_tags=new_tags,
    )


def write(repository: Repository, setup: Setup, *, time: int) -> None:
    """Write ``release.yaml`` into the work tree and make the baseline's tags, dated ``time`` (seconds since the epoch).

    Call it holding the lock. When it fails, neither the file nor a new tag is left.

    Raises:
        StorageError: a tag can't be written.
        OSError: the file can't be written.
    """
    if setup.new_tags:
        require_identity(repository)
    path = repository.root / CONFIG
    temporary = path.with_name(f".{CONFIG}.{os.getpid()}")
    made: list[str] = []
    try:
        for tag, component, version in setup.new_tags:
            message = f"{component} {version}\n\nReleased before `release` was set up.\n"
            create_tag(repository, tag, setup.head, message, time)
            made.append(tag)
        temporary.write_text(setup.text, encoding="utf-8")
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        delete_tags(repository, made, setup.head)
        raise


def _pattern(path: str) -> str:
    """Return the pattern of the folder of ``path``."""
    folder = path.rpartition("/")[0]
    return f"/{folder}/" if folder else f"/{path}"


def _formats(
    components: Mapping[str, Component], listed: Sequence[Tag]
) -> tuple[dict[str, str], dict[str, list[Tagged]]]:
    """Return the format that most tags of each component have, and these tags."""
    formats: dict[str, str] = {}
    matched: dict[str, list[Tagged]] = {}
    for form in FORMATS:
        alone = _alone(components)
        names = components if "{name}" in form else ([alone] if alone is not None else [])
        patterns = [TagPattern.of(name, form.replace("{name}", name)) for name in names]
        if not patterns:
            continue
        for name, found in match_tags(patterns, _semantic(listed, patterns), lambda _: False).items():
            if len(found) > len(matched.get(name, ())):
                formats[name], matched[name] = form, found
    return formats, matched


def _alone(components: Mapping[str, Component]) -> str | None:
    """Return the component that tags without a name can belong to: the only one, or that of the root folder."""
    if len(components) == 1:
        return next(iter(components))
    return next((name for name, component in components.items() if not component.path), None)


def _semantic(listed: Iterable[Tag], patterns: Sequence[TagPattern]) -> list[tuple[str, str, int]]:
    """Return those of ``listed`` that are a semantic version behind a pattern's prefix."""
    prefixes = {pattern.prefix for pattern in patterns}
    kept = []
    for tag in listed:
        for prefix in prefixes:
            if tag.name.startswith(prefix) and _version(tag.name[len(prefix) :]) is not None:
                kept.append((tag.name, tag.commit, tag.time))
                break
    return kept


def _version(text: str) -> Version | None:
    try:
        return parse_version(text)
    except ValueError:
        return None


def _common(formats: Mapping[str, str]) -> str:
    """Return the format that most components have; one without a name can't be shared."""
    counts = dict.fromkeys(FORMATS, 0)
    for form in formats.values():
        counts[form] += 1
    named = {form: count for form, count in counts.items() if "{name}" in form}
    if len(formats) == 1 and not any(named.values()):
        return next(iter(formats.values()))
    return max(named, key=lambda form: named[form])


def _last(found: Iterable[Tagged], inside: set[str]) -> Tagged | None:
    return max((tag for tag in found if tag.commit in inside), key=lambda tag: tag.version, default=None)


def _odd_tags(
    components: Mapping[str, Component], tag: str, overrides: Mapping[str, str | None], listed: Sequence[Tag]
) -> tuple[str, ...]:
    """Return the tags that would be taken for a component's release, but that hold no semantic version."""
    patterns = [TagPattern.of(name, (overrides.get(name) or tag).replace("{name}", name)) for name in components]
    odd = []
    for one in listed:
        try:
            match_tags(patterns, [(one.name, one.commit, one.time)], lambda _: False)
        except HistoryError:
            odd.append(one.name)
    return tuple(odd)


def _new_tags(found: Iterable[Found], tag: str) -> tuple[tuple[str, str, str], ...]:
    return tuple(
        (
            (one.tag_format or tag).replace("{name}", one.component.name).replace("{version}", version),
            one.component.name,
            version,
        )
        for one in found
        if one.last is None and one.component.version is not None
        for version in [str(one.component.version.replace(build=None))]
    )


def _refuse_taken(new_tags: Iterable[tuple[str, str, str]], listed: Iterable[Tag]) -> None:
    there = {tag.name: tag.commit for tag in listed}
    for tag, component, version in new_tags:
        if tag in there:
            raise HistoryError(
                f"{component} declares {version}, but the tag {tag} is at {there[tag][:12]}, which is not in the "
                "history of HEAD",
                fix="merge that line, or record versions instead: release init --baseline recorded",
            )


def _recorded(found: Iterable[Found], baseline: Baseline) -> dict[str, str]:
    """Return the version to record for each component that has no tag and gets none."""
    recorded = {}
    for one in found:
        version = one.component.version
        if one.last is not None or baseline is Baseline.NONE:
            continue
        if version is None:
            recorded[one.component.name] = UNKNOWN
        elif baseline is Baseline.RECORDED:
            recorded[one.component.name] = str(version.replace(build=None))
    return recorded


def _to_mend(found: Iterable[Found]) -> Iterable[Trouble]:
    for one in found:
        component = one.component
        if component.version is None:
            yield Trouble(
                component.name,
                component.declared,
                "its file has no version that can be read as a semantic version",
                "write one (MAJOR.MINOR.PATCH); until then its changes can't be released",
            )
        elif one.last is not None and component.version < one.last.version:
            yield Trouble(
                component.name,
                component.declared,
                f"its file says {component.version}, but {one.last.name} was released",
                f"set it to {one.last.version} or above",
            )


def _main(repository: Repository) -> str:
    """Return the main branch: the remote's, else the one that HEAD is on."""
    remote = repository.text("for-each-ref", "--format=%(refname)%00%(symref)", "refs/remotes").splitlines()
    pairs = [tuple(line.split("\0")) for line in remote]
    heads = sorted(pair for pair in pairs if pair[1] and pair[0].endswith("/HEAD"))
    chosen = next((pair for pair in heads if pair[0] == "refs/remotes/origin/HEAD"), heads[0] if heads else None)
    if chosen is not None:
        return chosen[1].removeprefix(chosen[0].removesuffix("HEAD"))
    return repository.branch() or "main"


def _maintenance(repository: Repository) -> tuple[str, ...]:
    """Return the patterns of maintenance branches that some branch has, else the usual ones."""
    names = [branch.line for branch in branches(repository)]
    patterns = []
    for pattern in _LINES:
        fitting = [name for name in names if fnmatchcase(name, pattern)]
        if fitting:
            patterns.append(pattern)
            names = [name for name in names if name not in fitting]
    return tuple(patterns) or Config().maintenance


def _text(
    *,
    main: str,
    maintenance: Sequence[str],
    tag: str,
    ignore: Sequence[str],
    odd_tags: Sequence[str],
    overrides: Mapping[str, str | None],
    head: str,
    recorded: Mapping[str, str],
) -> str:
    """Return the text of ``release.yaml``."""
    sections = [
        _HEAD,
        f"{_MAIN}main: {_scalar(main)}\n",
        _MAINTENANCE + _list("maintenance", maintenance),
        f"# The tag of each release.\ntag: {json.dumps(tag)}\n",
        _ZERO,
        _IGNORE + (_list("ignore", ignore) if ignore else "# ignore:\n#   - /third_party/\n"),
        _EXCLUDE,
    ]
    if odd_tags:
        sections.append(
            "# Tags that look like a release of a component, but hold no semantic version.\n"
            + _list("ignore-tags", odd_tags)
        )
    if overrides:
        own = "".join(f"  {_scalar(name)}:\n    tag: {json.dumps(form)}\n" for name, form in overrides.items())
        sections.append(f"# What single components do differently.\ncomponents:\n{own}")
    if recorded:
        rows = "".join(
            f"    {_scalar(name)}: {json.dumps(version)}{'  # its file has none yet' if version == UNKNOWN else ''}\n"
            for name, version in recorded.items()
        )
        sections.append(
            "# What counts as released at this commit, for components without a tag. An entry has no effect any more\n"
            f'# once a newer version is released.\nbaseline:\n  commit: "{head}"\n  versions:\n{rows}'
        )
    return "\n".join(sections)


def _list(key: str, items: Iterable[str]) -> str:
    return f"{key}:\n" + "".join(f"  - {_scalar(item)}\n" for item in items)


def _scalar(text: str) -> str:
    """Return ``text`` as YAML, plain where that is a string."""
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if plain else json.dumps(text, ensure_ascii=False)
