"""``release ci pins``: pins compared with the actions' repositories, raised, and bumps taken over from workflows."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from release.checks.rule import Finding
from release.ci import uses as workflow_uses
from release.ci.pins import OWN, Pin, Pins, edit
from release.ci.uses import Use
from release.errors import PinError, Place, StorageError
from release.flow.progress import Progress, silent
from release.repository.git import Repository
from release.repository.upstream import Refs, Upstream, UpstreamUnreachable
from release.web.github import GitHubApi
from release.web.issue import keep, seen_by

__all__ = [
    "COOLDOWN",
    "Adopted",
    "Update",
    "adopt",
    "chosen",
    "load",
    "tell",
    "update",
    "verify",
    "workflows",
    "write",
]

LABEL = "pins-update"

COOLDOWN = 7
"""Days that a version must have been out at least before it is taken."""

_DAY = 86_400
_AT_ONCE = 8
_NUMBERS = re.compile(r"(v?)(\d+(?:\.\d+){0,2})")


@dataclass(frozen=True, slots=True)
class Update:
    """What became of one pin: a newer one, a version that is too young yet, or why it stays."""

    pin: Pin
    new: Pin | None = None
    major: bool = False
    waiting: str = ""
    """The newest version, which the cooldown keeps back."""
    until: str = ""
    """The day (UTC) on which ``waiting`` may be taken."""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Adopted:
    """A bump that was found in generated workflows at ``places``."""

    before: Pin
    after: Pin
    places: tuple[Place, ...]


def load(repository: Repository) -> tuple[bytes | None, Pins]:
    """Return the repository's own pins file as it is on disk (``None``: there is none), and all pins.

    Raises:
        FormatError: the file is malformed.
    """
    path = repository.root / OWN
    own = path.read_bytes() if path.is_file() else None
    return own, Pins.load(own)


def workflows(repository: Repository) -> dict[str, bytes]:
    """Return the content of each workflow file on disk by its path in the repository."""
    folder = repository.root / workflow_uses.WORKFLOWS
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    paths = {path.relative_to(repository.root).as_posix(): path for path in found if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if workflow_uses.is_workflow(name)}


def write(repository: Repository, own: bytes | None, changed: Iterable[Pin]) -> None:
    """Write ``changed`` into the repository's own pins file, whose content is ``own``; all of it or nothing.

    Raises:
        FormatError: the file has a form that can't be added to.
        StorageError: it can't be written.
    """
    change = edit(own, changed)
    path = repository.root / OWN
    temporary = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(change.apply(own))
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{OWN} can't be written: {error.strerror}", fix="free space or mend permissions") from None


def verify(
    pins: Iterable[Pin], used: Sequence[Use], upstream: Upstream, *, progress: Progress = silent
) -> list[Finding]:
    """Return where ``pins``, and the comments beside ``used``, are not what the actions' own repositories say.

    A pin whose repository can't be asked is a finding too.
    """
    pins = list(pins)
    known = {(pin.repository.lower(), pin.sha, pin.version) for pin in pins}
    others = [use for use in used if not use.pinned or (use.repository.lower(), use.ref, use.version) not in known]
    asked = _ask(
        [pin.repository for pin in pins] + [use.repository for use in others if use.pinned], upstream, progress
    )
    findings: list[Finding] = []
    for pin in pins:
        refs = asked[pin.repository.lower()]
        findings += _wrong(pin.uses, pin.sha, pin.version, pin.place, refs)
    for use in others:
        if not use.pinned:
            what = f"{use.uses}@{use.ref} is not pinned by a commit"
            findings.append(
                Finding("unpinned", what, use.place, "write the 40 digits of the commit and its tag beside")
            )
        elif not use.version:
            refs = asked[use.repository.lower()]
            named = _best(refs.at(use.ref)) if isinstance(refs, Refs) else ""
            fix = f"write `# {named}` beside it" if named else "write its version beside it"
            findings.append(Finding("no-version", f"{use.uses} has no version beside its SHA", use.place, fix))
        else:
            refs = asked[use.repository.lower()]
            findings += _wrong(use.uses, use.ref, use.version, use.place, refs)
    return findings


def _ask(names: Iterable[str], upstream: Upstream, progress: Progress) -> dict[str, Refs | UpstreamUnreachable]:
    """Return the refs of each repository by its name in lower case, or why there are none."""
    wanted = list({name.lower(): name for name in names}.values())
    found: dict[str, Refs | UpstreamUnreachable] = {}

    def one(name: str) -> Refs | UpstreamUnreachable:
        try:
            return upstream.refs(name)
        except UpstreamUnreachable as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, refs in zip(wanted, pool.map(one, wanted), strict=True):
            found[name.lower()] = refs
            progress("asking the actions' repositories", len(found), len(wanted))
    return found


def _wrong(uses: str, sha: str, version: str, place: Place, refs: Refs | UpstreamUnreachable) -> Iterator[Finding]:
    """Yield what is wrong about ``version`` being the name of ``sha``."""
    if isinstance(refs, UpstreamUnreachable):
        yield Finding("not-checked", f"{uses}: {refs.what}", place, refs.fix)
        return
    leads = refs.tags.get(version)
    if leads == sha:
        return
    if refs.objects.get(version) == sha:
        what = f"{uses}: {sha} is the object of the tag {version} and not a commit"
        yield Finding("tag-object", what, place, f"write the commit {leads}")
        return
    right = _best(refs.at(sha))
    if right and (leads is None or right.count(".") >= version.count(".")):
        leads_to = f"leads to {leads}" if leads else "is no tag"
        what = f"{uses}: {sha[:12]} is {right}, not {version}, which {leads_to}"
        yield Finding("wrong-version", what, place, f"write {right}, or the commit of the version that is meant")
    elif leads:
        what = (
            f"{uses}: THE TAG {version} LEADS ELSEWHERE: to {leads}, and the pin to {sha}. "
            "It was moved after it was pinned, or the pin is not what it says"
        )
        fix = "keep the pin; find out from the action's project why its tag moved before anything is raised"
        yield Finding("moved-tag", what, place, fix)
    elif version in refs.branches:
        what = f"{uses}: {version} is a branch and no tag, so nothing tells which version {sha[:12]} is"
        yield Finding("branch", what, place, "pin a release", severity="warning")
    else:
        what = f"{uses}: there is no tag {version}, and no other tag leads to {sha}"
        yield Finding("no-tag", what, place, "look for the release that was meant, and pin its commit")


def _best(tags: Iterable[str]) -> str:
    """Return the tag of ``tags`` that says most about the version: the longest number, then the highest."""
    ranked = sorted((found[2].count("."), _order(found[2]), tag) for tag in tags if (found := _NUMBERS.fullmatch(tag)))
    return ranked[-1][2] if ranked else min(tags, default="")


def _order(numbers: str) -> tuple[int, ...]:
    return tuple(int(part) for part in numbers.split("."))


def update(
    pins: Iterable[Pin],
    upstream: Upstream,
    now: int,
    *,
    cooldown: int = COOLDOWN,
    progress: Progress = silent,
) -> list[Update]:
    """Return what is newer than each of ``pins`` and was out for ``cooldown`` days at ``now`` (seconds, UTC).

    Only tags of the same scheme count: with ``v`` or without, as many numbers, no pre-release. A pin whose own tag
    leads elsewhere now is refused.

    Raises:
        PinError: the cooldown is below :data:`COOLDOWN`.
    """
    if cooldown < COOLDOWN:
        raise PinError(
            f"a cooldown of {cooldown} days is too short: a malicious release is mostly found within days",
            fix=f"wait {COOLDOWN} days or more; for an urgent fix write the pin into {OWN} yourself",
        )
    pins = list(pins)
    asked = _ask((pin.repository for pin in pins), upstream, progress)
    made: dict[tuple[str, str], int] = {}

    def age(repository: str, tag: str) -> int:
        if (repository, tag) not in made:
            made[repository, tag] = upstream.made(repository, tag)
        return made[repository, tag]

    found = []
    for done, pin in enumerate(pins):
        progress(f"looking for what is newer than {pin.uses}", done, len(pins))
        found.append(_update(pin, asked[pin.repository.lower()], age, now, cooldown))
    return found


def _update(
    pin: Pin, refs: Refs | UpstreamUnreachable, age: Callable[[str, str], int], now: int, cooldown: int
) -> Update:
    if isinstance(refs, UpstreamUnreachable):
        return Update(pin, refused=refs.what)
    own = _NUMBERS.fullmatch(pin.version)
    if own is None:
        return Update(pin, refused=f"{pin.version} is no version number")
    problem = next(_wrong(pin.uses, pin.sha, pin.version, pin.place, refs), None)
    if problem is not None:
        return Update(pin, refused=problem.what.removeprefix(f"{pin.uses}: "))
    newer = sorted(
        (_order(one[2]), tag)
        for tag in refs.tags
        if (one := _NUMBERS.fullmatch(tag)) and one[1] == own[1] and one[2].count(".") == own[2].count(".")
        if _order(one[2]) > _order(own[2])
    )
    waiting = until = ""
    for order, tag in reversed(newer):
        try:
            ready = age(pin.repository, tag) + cooldown * _DAY
        except UpstreamUnreachable as error:
            return Update(pin, refused=error.what)
        if ready > now:
            if not waiting:
                waiting, until = tag, _day(ready)
            continue
        new = dataclasses.replace(pin, sha=refs.tags[tag], version=tag, place=Place(OWN))
        return Update(pin, new, order[0] != _order(own[2])[0], waiting, until)
    return Update(pin, waiting=waiting, until=until)


def _day(seconds: int) -> str:
    """Return the first day (UTC) that begins at ``seconds`` or later, or the day they are in if that is its start."""
    return dt.datetime.fromtimestamp(seconds + _DAY - 1, dt.UTC).date().isoformat()


def adopt(
    pins: Pins,
    files: Mapping[str, bytes],
    upstream: Upstream,
    *,
    allow_downgrade: bool = False,
) -> list[Adopted]:
    """Return the bumps that a bot made in the generated ones among ``files`` (workflows by path).

    The upstream is asked where SHA and comment did not both change.

    Raises:
        PinError: uses of one action disagree, a SHA is none, a version goes down, or a SHA is not its version.
    """
    ours = {path: content for path, content in files.items() if workflow_uses.is_generated(content)}
    groups: dict[str, tuple[Pin, list[Use]]] = {}
    for use in workflow_uses.read(ours):
        entry = pins.entry_for(use.uses)
        groups.setdefault(entry.uses, (entry, []))[1].append(use)
    return [one for entry, found in groups.values() if (one := _adopted(entry, found, upstream, allow_downgrade))]


def _adopted(pin: Pin, found: Sequence[Use], upstream: Upstream, allow_downgrade: bool) -> Adopted | None:
    said = {(use.ref, use.version) for use in found}
    if said == {(pin.sha, pin.version)}:
        return None
    places = tuple(use.place for use in found)
    if len(said) > 1:
        claims = ", ".join(sorted(f"{ref[:12]} ({version or 'no version'})" for ref, version in said))
        raise PinError(
            f"the uses of {pin.uses} disagree: {claims}", where=places, fix="give all of them the same SHA and version"
        )
    use = found[0]
    if not use.pinned:
        raise PinError(
            f"{use.uses}@{use.ref} is not pinned by a commit",
            where=places,
            fix="let the bot pin SHAs, or run `release ci generate` to undo it",
        )
    version = use.version
    if use.ref == pin.sha or version in ("", pin.version):
        version = _confirmed(pin, use, upstream, places)
    _refuse_downgrade(pin, version, places, allow_downgrade)
    if (use.ref, version) == (pin.sha, pin.version):
        return None
    return Adopted(pin, dataclasses.replace(pin, sha=use.ref, version=version, place=Place(OWN)), places)


def _confirmed(pin: Pin, use: Use, upstream: Upstream, places: Sequence[Place]) -> str:
    """Return the version of ``use``, of which only the SHA or only the comment changed, as the upstream has it."""
    try:
        tags = upstream.refs(pin.repository).at(use.ref)
    except UpstreamUnreachable as error:
        raise PinError(
            f"only {'the version' if use.ref == pin.sha else 'the SHA'} of {pin.uses} changed, and {error.what}",
            where=places,
            fix=error.fix + "; or write the right version beside the SHA",
        ) from None
    if use.ref == pin.sha:
        if use.version in tags:
            return use.version
        claimed = f"the comment says {use.version}" if use.version else "there is no version"
        raise PinError(
            f"{pin.uses}: {claimed}, and {use.ref[:12]} is {_best(tags) or 'at no tag'}",
            where=places,
            fix="run `release ci generate` to undo it",
        )
    version = _best(tags)
    if not version:
        raise PinError(
            f"the SHA of {pin.uses} changed to {use.ref}, its version did not, and no tag leads there",
            where=places,
            fix="don't merge it: find out where that commit comes from",
        )
    return version


def _refuse_downgrade(pin: Pin, version: str, places: Sequence[Place], allowed: bool) -> None:
    before, after = _NUMBERS.fullmatch(pin.version), _NUMBERS.fullmatch(version)
    if not allowed and before and after and _order(after[2]) < _order(before[2]):
        raise PinError(
            f"{pin.uses} would go down from {pin.version} to {version}",
            where=places,
            fix="run `release ci generate` to undo it, or adopt it with --allow-downgrade",
        )


def chosen(pins: Pins, names: Collection[str]) -> list[Pin]:
    """Return the entries that ``names`` (actions, or repositories of actions) name; all without names.

    Raises:
        PinError: a name has no entry.
    """
    if not names:
        return list(pins)
    found: dict[str, Pin] = {}
    for name in names:
        entries = pins.of_repository(name) if name.count("/") == 1 else ()
        for pin in entries or (pins.entry_for(name),):
            found[pin.uses] = pin
    return list(found.values())


def tell(api: GitHubApi, found: Sequence[Update], environment: Mapping[str, str]) -> str:
    """Open, update or close the one issue about pins that can be raised or are refused; return what was done.

    Raises:
        DestinationRefused: GitHub refuses or gives no answer.
    """
    seen = seen_by(environment)
    news = [one for one in found if one.new is not None or one.refused]
    lines = [
        "Newer versions of the actions that the workflows use, or of those that `release` knows:",
        "",
        "| action | pinned | newer | |",
        "| --- | --- | --- | --- |",
        *map(_row, news),
        "",
        "`release ci pins update && release ci generate` takes them over; look at what it changes, and commit it.",
        "",
        seen,
    ]
    return keep(
        api,
        label=LABEL,
        mark="<!-- release: pins -->",
        title="Pinned actions have newer versions",
        body="\n".join(lines) if news else None,
        gone=f"All pins are at their newest version.\n\n{seen}",
    )


def _row(one: Update) -> str:
    newer = f"{one.new.version} (`{one.new.sha}`)" if one.new is not None else ""
    remark = one.refused or ("a new major version: read its release notes" if one.major else "")
    cells = (f"`{one.pin.uses}`", one.pin.version, newer, remark)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
