"""Publish tagged releases: package each from its commit, then bring it to the destinations of its kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from release.errors import ConfigError, GitStateError, HistoryError, ReleaseError
from release.flow.package import At, Tagged, opened, tagged_release
from release.flow.progress import Progress, silent
from release.flow.recorded import recorded_before
from release.formats import changelog
from release.publish.destination import DestinationKind, Released, preview, publish
from release.publish.destinations import DESTINATIONS
from release.publish.packages import PACKAGERS
from release.publish.settings import check_publish
from release.repository.git import Repository
from release.repository.refs import Tag, tags
from release.workspace.config import CONFIG
from release.workspace.delivery import Destination, Publish

__all__ = ["Row", "publish_releases", "secret_names"]

_OF_THE_RUNNER = frozenset({"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_RUNTIME_TOKEN"})
"""With these anyone could speak for the workflow: code that is built while publishing must not see them."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one thing at one destination; ``destination`` is its name in ``release.yaml``."""

    tag: str
    component: str
    version: str
    destination: str
    what: str
    state: str


def publish_releases(
    repository: Repository,
    names: Sequence[str],
    *,
    environment: Mapping[str, str],
    to: Collection[str] = (),
    digests: Mapping[str, str] | None = None,
    dry_run: bool = False,
    report: Callable[[Row], None] = lambda _: None,
    before: Callable[[str], None] = lambda _: None,
    progress: Progress = silent,
    destinations: Mapping[str, DestinationKind] = DESTINATIONS,
) -> int:
    """Publish the releases that the tags ``names`` are (default: those at HEAD, or else of the newest release commit).

    What is published where is what ``release.yaml`` says at HEAD; ``to`` takes a part of it. ``digests`` holds those of
    images by the component's name. Parts come before wholes, and releases of earlier commits before later ones.
    A destination gets its own secrets of ``environment`` and no others. ``report`` gets each thing when it is settled,
    ``before`` the name of each that is about to be sent. Returns the number of releases. A dry run only looks.

    Raises:
        ReleaseError: what was reported until then is done; running it again goes on from there.
    """
    hidden = secret_names(environment, destinations.values()) | (_OF_THE_RUNNER & environment.keys())
    plain = {name: value for name, value in environment.items() if name not in hidden}
    with _silent_about([environment[name] for name in hidden]), opened(repository, plain) as at:
        now = at(repository.head())
        content = now.tree.read_many([CONFIG]).get(CONFIG)
        settings = now.config.publish
        check_publish(settings, content, destinations)
        for name in to:
            if name not in settings.destinations:
                raise ConfigError(
                    f"there is no destination {name}",
                    fix=f"{CONFIG} has: {', '.join(settings.destinations) or 'none'}",
                )
        found = _ordered(repository, _chosen(repository, names, at) if names else _latest(repository, at))
        for number, tagged in enumerate(found):
            progress(f"publishing {tagged.tag}", number, len(found))
            places = _places(settings, tagged.component.kind, to)
            if not places:
                report(_row(tagged, "", f"{tagged.component.kind} {tagged.component.name}", "no destination"))
                continue
            released = _released(tagged, (digests or {}).get(tagged.component.name))
            for name, destination in places:

                def settled(what: str, state: str, name: str = name, tagged: Tagged = tagged) -> None:
                    report(_row(tagged, name, what, state))

                kind = destinations[destination.to]
                own = {**plain, **{secret: environment[secret] for secret in secret_names(environment, [kind])}}
                steps = kind.steps(released, destination.options, own)
                if dry_run:
                    preview(steps, report=settled)
                else:
                    publish(steps, report=settled, before=before)
        return len(found)


def secret_names(environment: Mapping[str, str], kinds: Iterable[DestinationKind]) -> frozenset[str]:
    """Return the names of the variables in ``environment`` that hold secrets of destinations of these ``kinds``."""
    patterns = [pattern for kind in kinds for pattern in kind.secrets]
    return frozenset(name for name in environment if any(fnmatchcase(name, pattern) for pattern in patterns))


@contextmanager
def _silent_about(secrets: Iterable[str]) -> Iterator[None]:
    """Take ``secrets`` out of what an error says, whoever said it."""
    try:
        yield
    except ReleaseError as error:
        for secret in filter(None, secrets):
            error.what = error.what.replace(secret, "***")
            error.fix = error.fix.replace(secret, "***")
        error.args = (error.what,)
        raise


def _row(tagged: Tagged, destination: str, what: str, state: str) -> Row:
    return Row(tagged.tag, tagged.component.name, str(tagged.version), destination, what, state)


def _chosen(repository: Repository, names: Sequence[str], at: Callable[[str], At]) -> list[Tagged]:
    known = {tag.name: tag for tag in tags(repository)}
    found = []
    for name in dict.fromkeys(names):
        tag = known.get(name.removeprefix("refs/tags/"))
        if tag is None:
            raise GitStateError(f"there is no tag {name} here", fix="check the name, or fetch it: git fetch --tags")
        found.append(tagged_release(tag.name, at(tag.commit), tag.time))
    return found


def _latest(repository: Repository, at: Callable[[str], At]) -> list[Tagged]:
    """Return the releases at HEAD; where there are none, those of the newest commit that says it is a release."""
    head, known = repository.head(), tags(repository)
    found = _releases([tag for tag in known if tag.commit == head], at)
    recorded = [] if found else recorded_before(repository, head)[:1]
    return found or _releases([tag for one in recorded for tag in known if tag.commit == one.commit], at)


def _releases(found: Sequence[Tag], at: Callable[[str], At]) -> list[Tagged]:
    releases = []
    for tag in found:
        try:
            releases.append(tagged_release(tag.name, at(tag.commit), tag.time))
        except HistoryError:
            continue
    return releases


def _ordered(repository: Repository, found: Sequence[Tagged]) -> list[Tagged]:
    commits = dict.fromkeys(one.at.commit for one in found)
    order = list(commits)
    if len(order) > 1:
        order = repository.text("rev-list", "--topo-order", "--reverse", *commits).split()
    place = {commit: number for number, commit in enumerate(order)}

    def key(one: Tagged) -> tuple[int, int]:
        return place[one.at.commit], list(one.at.workspace.components).index(one.component.name)

    return sorted(found, key=key)


def _places(settings: Publish, kind: str, to: Collection[str]) -> list[tuple[str, Destination]]:
    names = settings.kinds.get(kind, ())
    return [(name, settings.destinations[name]) for name in names if not to or name in to]


def _released(tagged: Tagged, digest: str | None) -> Released:
    """Return the release with its package, where components of its kind have one."""
    component, at = tagged.component, tagged.at
    packager = PACKAGERS.get(component.kind)
    folder: Path = at.scratch / at.commit / "packages" / component.name
    artifacts = packager.package(at.source(component, tagged.version), folder) if packager is not None else ()
    text = at.tree.read_many([component.changelog]).get(component.changelog)
    return Released(
        component,
        tagged.version,
        tagged.tag,
        at.commit,
        at.time,
        changelog.notes(text, str(tagged.version)),
        artifacts,
        digest,
        lambda: at.folder,
    )
