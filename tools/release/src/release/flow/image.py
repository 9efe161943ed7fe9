"""Images: from components of a commit to a context, an image in the engine, and a record of both."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import structs

from release.errors import (
    BuildFailed,
    FormatError,
    GitStateError,
    InputsRefused,
    PackageRefused,
    Place,
    StorageError,
    WorkspaceError,
)
from release.flow.bundle import build_bundles
from release.flow.package import At, opened
from release.flow.programs import programs
from release.flow.progress import Progress, silent
from release.formats import image_yaml, plugins_lock, version_php
from release.formats.image_yaml import ImageYaml
from release.formats.plugins_lock import LockedPlugin
from release.images.builder import Order, buildkit, by_buildkit, by_engine
from release.images.context import Context
from release.images.fitting import Candidate, refuse_unfit
from release.images.labels import HERE, labels
from release.images.layout import Layout
from release.images.lock import LOCK, BaseInput, Inputs, Lock, MoodleInput, Part, Result, load, render
from release.images.moodle import MoodleTree, from_folder, from_git, subplugin_folders
from release.images.platforms import here, refuse_unknown, target_of
from release.images.plugins import Fetched, taken
from release.model.component import Component, by_native_name
from release.publish.archives import Entry
from release.publish.packages.natives import shipped, wanted
from release.publish.packages.plugin import plugin_files
from release.repository.git import Repository
from release.repository.lock import locked
from release.workspace.config import CONFIG

if TYPE_CHECKING:
    from docker import DockerClient

__all__ = [
    "Built",
    "Image",
    "Overrides",
    "assemble",
    "base_of",
    "build",
    "cache_folder",
    "current",
    "images",
    "last_change",
    "listed",
    "named",
    "output_folder",
]

_MOODLE = "moodle"
_DOCKERFILE = "Dockerfile"
_GPL = re.compile(rb"@license\s+\S+\s+GNU GPL v3 or later")
_SUBPLUGINS = "db/subplugins.json"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is taken in place of what ``release.yaml`` says.

    ``snapshot`` ``none`` stands for the packages of the day. ``partial``: libraries that aren't built, and programs
    that can't be built here, are left out.
    """

    base: str | None = None
    snapshot: str | None = None
    moodle: Path | None = None
    platforms: tuple[str, ...] = ()
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """An image component, what its ``image.yaml`` says, and the name that it gets in the engine."""

    component: Component
    facts: ImageYaml
    repository: str

    @property
    def reference(self) -> str:
        """The repository and the version as a tag."""
        return f"{self.repository}:{self.component.version}"


@dataclass(frozen=True, slots=True)
class Assembled:
    """A build context: what it is made of, what a builder is told of it, and what was left out."""

    inputs: Inputs
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """An image that is in the engine: its record, and what was left out."""

    image: Image
    lock: Lock
    notes: tuple[str, ...]


@dataclass
class _Assembly:
    """One context while it is put together."""

    there: At
    image: Image
    context: Context
    overrides: Overrides
    environment: Mapping[str, str]
    progress: Progress
    notes: list[str] = field(default_factory=list)
    omissions: list[str] = field(default_factory=list)

    @property
    def platforms(self) -> tuple[str, ...]:
        return self.overrides.platforms or (here(),)


def output_folder(repository: Repository, name: str) -> Path:
    """Return the folder of what is built as the image ``name``: its layout, its record, its bill of materials."""
    return repository.root / "dist" / "images" / name


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of what is fetched once."""
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or Path.home()) / ".cache"
    return Path(home) / "moodle-release"


def images(there: At) -> dict[str, Image]:
    """Return the images of a commit by name, bases before what is built on them."""
    found: dict[str, Image] = {}
    for component in there.workspace.components.values():
        if component.kind == "image":
            facts = image_yaml.parse(there.tree.read(component.manifest), component.manifest)
            folder = _repository_name(there.repository.root.resolve().name)
            default = f"{HERE}/{folder}/{_repository_name(component.native)}"
            found[component.name] = Image(component, facts, facts.repository or default)
    return found


def _repository_name(text: str) -> str:
    """Return ``text`` as a part of an image's name.

    Source: https://github.com/distribution/reference/blob/main/reference.go
    """
    return "-".join(re.findall(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*", text.lower())) or "images"


def named(there: At, names: Sequence[str]) -> list[Image]:
    """Return the images ``names``, all when there is none.

    Raises:
        WorkspaceError: there is no such image.
    """
    known = images(there)
    for name in names:
        if name not in known:
            raise WorkspaceError(
                f"there is no image {name} here",
                fix=f"name one of {', '.join(known)}" if known else "an image is a folder with an image.yaml",
            )
    return [image for name, image in known.items() if not names or name in names]


def listed(repository: Repository, *, environment: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return what is known of each image at HEAD, as plain data."""
    with opened(repository, environment) as at:
        there = at(repository.head())
        found = []
        for name, image in images(there).items():
            lock = load(output_folder(repository, name) / LOCK)
            facts = image.facts
            base = base_of(there, image)
            found.append(
                {
                    "name": name,
                    "version": str(image.component.version),
                    "reference": image.reference,
                    "base": base.component.name if base is not None else None,
                    "contains": [
                        *([_MOODLE] if facts.moodle else []),
                        *(part.name for part in facts.parts if part.kind != "image"),
                    ],
                    "built": (lock.results[0].manifest or lock.results[0].config) if lock is not None else None,
                }
            )
        return found


def assemble(
    repository: Repository,
    name: str,
    folder: Path,
    *,
    revision: str = "HEAD",
    overrides: Overrides = Overrides(),
    environment: Mapping[str, str],
    progress: Progress = silent,
) -> Assembled:
    """Write the build context of the image ``name`` into ``folder`` and return what it is.

    Raises:
        InputsRefused: Moodle's source or a plugin is not what it has to be, or they don't fit each other.
        StorageError: ``folder`` is there and not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StorageError(f"{folder} is not empty", fix="name a folder that is empty or not there")
    with opened(repository, environment) as at:
        there = at(repository.resolve(revision))
        (image,) = named(there, [name])
        inputs, notes = _assembled(there, image, folder, overrides, environment, progress)
        return Assembled(inputs, _arguments(inputs), _labels(there, inputs), notes)


def _arguments(inputs: Inputs) -> dict[str, str]:
    """Return the build arguments that every Dockerfile may take."""
    return {"BASE": inputs.base.image, "SNAPSHOT": inputs.base.snapshot, "SOURCE_DATE_EPOCH": str(inputs.time)}


def _labels(there: At, inputs: Inputs) -> dict[str, str]:
    github = there.config.github
    return labels(inputs, f"https://github.com/{github.repository}" if github is not None else None)


def build(
    repository: Repository,
    names: Sequence[str],
    *,
    revision: str = "HEAD",
    overrides: Overrides = Overrides(),
    builder: str | None = None,
    cache: bool = True,
    connect: Callable[[], DockerClient],
    environment: Mapping[str, str],
    report: Callable[[Built], None] = lambda _: None,
    progress: Progress = silent,
) -> None:
    """Build the images ``names`` (default: all) and their bases as they are at ``revision``; ``report`` gets each.

    Each is in the engine afterwards, under its name and version, with its record in :func:`output_folder`. A tag is
    given when everything else is done.

    Raises:
        EngineUnfit: there is no engine, or no such builder.
        BuildFailed: an instruction of a Dockerfile fails.
        Locked: the same image is being built here.
    """
    client = connect()
    chosen = buildkit(client, builder)
    with opened(repository, environment) as at, ExitStack() as locks:
        there = at(repository.resolve(revision))
        wanted_images = _with_bases(there, named(there, names))
        for image in wanted_images:
            what = f"build of the image {image.component.name}"
            locks.enter_context(locked(repository, "release image build", what=what))
        for image in wanted_images:
            with tempfile.TemporaryDirectory(prefix="release-image-") as scratch:
                context = Path(scratch) / "context"
                inputs, notes = _assembled(there, image, context, overrides, environment, progress)
                context = context.rename(context.with_name(inputs.context.rpartition(":")[2]))
                lock = _built(there, image, context, inputs, chosen, cache, client, progress)
            report(Built(image, lock, notes))


def _with_bases(there: At, chosen: Sequence[Image]) -> list[Image]:
    known = images(there)
    found: dict[str, Image] = {}

    def add(image: Image) -> None:
        base = base_of(there, image)
        if base is not None:
            add(base)
        found.setdefault(image.component.name, image)

    for image in chosen:
        add(image)
    return [image for name, image in known.items() if name in found]


def base_of(there: At, image: Image) -> Image | None:
    """Return the image of this repository that ``image`` is built on."""
    by_native = {one.component.native: one for one in images(there).values()}
    return next((by_native[part.name] for part in image.facts.parts if part.kind == "image"), None)


def _built(
    there: At,
    image: Image,
    context: Path,
    inputs: Inputs,
    builder: str | None,
    cache: bool,
    client: DockerClient,
    progress: Progress,
) -> Lock:
    """Return the record of the image that was built from ``context`` and is in the engine."""
    base = base_of(there, image)
    order = Order(
        image.component.name,
        image.reference,
        f"{image.component.path}/{_DOCKERFILE}".lstrip("/"),
        context,
        inputs.platforms,
        _arguments(inputs),
        _labels(there, inputs),
        {},
        cache,
    )
    place = output_folder(there.repository, image.component.name)
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=place) as scratch:
        layout = None
        if builder is None:
            made = by_engine(client, order, progress)
            results: tuple[Result, ...] = (Result(platform=inputs.platforms[0], config=made),)
        else:
            if base is not None:
                below, digest = _layout_of(there, base)
                inputs = structs.replace(inputs, base=structs.replace(inputs.base, digest=digest))
                order = replace(
                    order, labels=_labels(there, inputs), bases={base.reference: f"oci-layout://{below}@{digest}"}
                )
            layout = by_buildkit(builder, order, Path(scratch) / "oci", progress)
            results = _results(layout)
        lock = Lock(
            reference=image.reference, builder="engine" if builder is None else "buildkit",
            inputs=inputs, results=results,
        )  # fmt: skip
        _put(layout, lock, place, Path(scratch))
        if builder is None:
            client.images.get(made).tag(image.repository, str(image.component.version))
        else:
            _into_engine(client, Layout(place / "oci"), image.reference, progress)
    return lock


def _put(layout: Layout | None, lock: Lock, place: Path, scratch: Path) -> None:
    """Put what was built into ``place`` by renaming; what was there before is left in ``scratch``."""
    if (place / "oci").exists():
        (place / "oci").replace(scratch / "before")
    if layout is not None:
        layout.folder.replace(place / "oci")
    record = scratch / LOCK
    record.write_bytes(render(lock))
    record.replace(place / LOCK)


def _layout_of(there: At, base: Image) -> tuple[Path, str]:
    """Return the layout of ``base``, which was built before, and its digest for BuildKit."""
    layout = Layout(output_folder(there.repository, base.component.name) / "oci")
    platforms = layout.platforms()
    return layout.folder, platforms[0].digest if len(platforms) == 1 else layout.top[0]


def _results(layout: Layout) -> tuple[Result, ...]:
    return tuple(
        Result(
            platform=one.name, config=one.config, manifest=one.digest, packed=sum(size for _, size in one.layers)
        )
        for one in layout.platforms()
    )  # fmt: skip


def _into_engine(client: DockerClient, layout: Layout, reference: str, progress: Progress) -> None:
    """Give the engine the image for its own platform, under ``reference``."""
    from docker.errors import ImageLoadError

    said = client.version()
    mine = f"{said['Os']}/{said['Arch']}"
    platforms = layout.platforms()
    chosen = next((one for one in platforms if one.name == mine), platforms[0])
    progress(f"load: {reference}", 0, 0)
    try:
        with layout.archive(chosen, reference) as archive:
            client.images.load(archive)
    except (ImageLoadError, OSError) as error:  # the SDK's errors of the connection are OSErrors
        raise BuildFailed(
            f"the engine doesn't take the image {reference}: {error}", fix="free space: docker system df"
        ) from None


def _assembled(
    there: At,
    image: Image,
    folder: Path,
    overrides: Overrides,
    environment: Mapping[str, str],
    progress: Progress,
) -> tuple[Inputs, tuple[str, ...]]:
    for platform in overrides.platforms:
        refuse_unknown(platform)
    if image.component.version is None:
        raise FormatError(f"{image.component.name} has no version", where=[image.component.declared], fix="write one")
    path = f"{image.component.path}/{_DOCKERFILE}".lstrip("/")
    dockerfile = there.tree.read_many([path]).get(path)
    if dockerfile is None:
        raise WorkspaceError(
            f"the image {image.component.name} has no {_DOCKERFILE}", where=[Place(path)], fix="add it, and commit it"
        )
    commit, time = last_change(there, image)
    folder.mkdir(parents=True, exist_ok=True)
    assembly = _Assembly(there, image, Context(folder, time), overrides, environment, progress)
    moodle: MoodleInput | None = None
    parts: tuple[Part, ...] = ()
    if _is_assembled(there, image):
        _put_below(assembly, "rootfs")
        moodle, parts = _put_parts(assembly)
    else:
        _put_below(assembly, "", whole=True)
    assembly.context.put(Entry(_DOCKERFILE, dockerfile))
    assembly.context.finish()
    base = base_of(there, image)
    configured = there.config.images.base
    snapshot = configured.snapshot if overrides.snapshot is None else overrides.snapshot
    inputs = Inputs(
        name=image.component.native,
        version=str(image.component.version),
        commit=commit,
        time=time,
        base=BaseInput(
            image=base.reference if base is not None else overrides.base or configured.image,
            snapshot="" if snapshot == "none" else snapshot,
        ),
        moodle=moodle,
        parts=parts,
        context=assembly.context.digest(),
        platforms=tuple(sorted(assembly.platforms)),
        omissions=tuple(assembly.omissions),
    )
    return inputs, (*assembly.omissions, *assembly.notes)


def _is_assembled(there: At, image: Image) -> bool:
    """Tell whether ``image`` has a context of its own; without ``rootfs/`` it is the repository."""
    prefix = f"{image.component.path}/rootfs/".lstrip("/")
    return image.facts.moodle or any(path.startswith(prefix) for path in there.tree.files())


def last_change(there: At, image: Image) -> tuple[str, int]:
    """Return the last commit that changed what the image is made from, and its time (seconds since the epoch)."""
    paths = {one.path for one in _made_from(there, image)}
    if "" in paths or not _is_assembled(there, image):
        said = there.repository.text("log", "-1", "--no-show-signature", "--format=%H %ct", there.commit)
    else:
        said = there.repository.text(
            "log", "-1", "--no-show-signature", "--format=%H %ct", there.commit, "--",
            *(f":(top,literal){path}" for path in sorted({*paths, CONFIG, there.config.images.plugins})),
        )  # fmt: skip
    commit, _, time = said.partition(" ")
    return commit, int(time)


def _made_from(there: At, image: Image) -> list[Component]:
    """Return the components that the image is made from, and itself."""
    names, todo = set[str](), [image.component.name]
    while todo:
        name = todo.pop()
        if name not in names:
            names.add(name)
            todo += [edge.part for edge in there.workspace.parts.get(name, ())]
    return [there.workspace.components[name] for name in sorted(names)]


def current(at: Callable[[str], At], head: str, name: str, revision: str) -> bool:
    """Tell whether the image ``name`` of the commit ``revision`` is, but for its plugins, that of ``head``.

    ``revision`` is what the image's own label says, ``head`` a commit's id.
    """
    there = at(head)
    repository = there.repository
    try:
        revision = repository.resolve(revision) if revision else ""
    except GitStateError:
        revision = ""
    if not revision:
        return False
    image = images(there)[name]
    paths = {one.path for one in _made_from(there, image) if one.kind != "plugin"}
    before = at(revision)
    if before.config.images != there.config.images:
        return False
    if "" in paths or not _is_assembled(there, image):
        return revision == head
    paths.add(there.config.images.plugins)
    return not repository.text(
        "diff", "--name-only", revision, head, "--", *(f":(top,literal){path}" for path in sorted(paths))
    )


def _put_below(assembly: _Assembly, folder: str, *, whole: bool = False) -> None:
    """Put the files of the image's ``folder`` there, or with ``whole`` those of the repository."""
    tree = assembly.there.tree
    root = "" if whole else f"{assembly.image.component.path}/".lstrip("/")
    prefix = "" if whole else f"{root}{folder}/"
    paths = [path for path in tree.files() if path.startswith(prefix)]
    for path in tree.special:
        if path.startswith(prefix) and not whole:
            raise WorkspaceError(
                f"{path} is a symbolic link or a submodule", where=[Place(path)], fix="make links in the Dockerfile"
            )
    contents = tree.read_many(paths)
    for path in paths:
        executable = tree.modes[path] == "100755"
        assembly.context.put(Entry(path.removeprefix(root), contents[path], executable))


def _put_parts(assembly: _Assembly) -> tuple[MoodleInput | None, tuple[Part, ...]]:
    there, image = assembly.there, assembly.image
    ours = {kind: _components(there, image, kind) for kind in ("plugin", "crate")}
    parts = list(_put_programs(assembly, ours["crate"]))
    if not image.facts.moodle:
        return None, tuple(parts)
    with tempfile.TemporaryDirectory(prefix="release-moodle-") as scratch:
        moodle = _moodle(assembly, Path(scratch) / _MOODLE)
        theirs = _locked_plugins(assembly)
        _refuse_unfit(assembly, moodle, ours["plugin"], theirs)
        if moodle.left_out:
            assembly.notes.append(f"left out of Moodle's source: {', '.join(moodle.left_out)}")
        assembly.progress("context: Moodle's source", 0, 0)
        found = MoodleInput(
            origin=moodle.origin, release=moodle.version.text, version=str(moodle.version.number),
            digest=assembly.context.put_moodle(moodle, _MOODLE),
        )  # fmt: skip
        parts += _put_plugins(assembly, moodle, ours["plugin"], theirs)
    return found, tuple(sorted(parts, key=lambda part: (part.kind, part.name)))


def _components(there: At, image: Image, kind: str) -> list[Component]:
    known = by_native_name(there.workspace.components, kind)
    return sorted((known[part.name] for part in image.facts.parts if part.kind == kind), key=lambda one: one.name)


def _put_programs(assembly: _Assembly, crates: Sequence[Component]) -> Iterator[Part]:
    for platform in assembly.platforms:
        assembly.context.put(Entry(f"bin/{platform}/.keep", b""))
    try:
        made = programs(assembly.there, crates, assembly.platforms, assembly.progress) if crates else {}
    except BuildFailed as error:
        if not assembly.overrides.partial:
            raise
        assembly.omissions.append(f"no programs of {', '.join(one.name for one in crates)}: {error.what}")
        made = {}
    for crate in crates:
        one = made.get(crate.name)
        if one is None or not one.entries:
            continue
        for entry in one.entries:
            assembly.context.put(replace(entry, path=f"bin/{entry.path}"))
        yield Part(
            kind="crate", name=crate.native, version=str(crate.version), digest=_digest_of(one.entries),
            license=one.license,
        )  # fmt: skip


def _digest_of(entries: Sequence[Entry]) -> str:
    import hashlib

    found = hashlib.sha256()
    for entry in sorted(entries):
        found.update(f"{entry.mode:o} {hashlib.sha256(entry.content).hexdigest()} {entry.path}\n".encode())
    return f"sha256:{found.hexdigest()}"


def _moodle(assembly: _Assembly, scratch: Path) -> MoodleTree:
    if assembly.overrides.moodle is not None:
        return from_folder(assembly.overrides.moodle)
    source = assembly.there.config.images.moodle
    if source is None:
        raise InputsRefused(
            f"the image {assembly.image.component.name} contains Moodle, but nothing says where its source is",
            where=[Place(assembly.image.facts.path)],
            fix=f"write images.moodle into {CONFIG}, or name a folder with --moodle or in MOODLE_DIR",
        )
    assembly.progress(f"context: fetching Moodle {source.tag}", 0, 0)
    return from_git(source, cache_folder(assembly.environment), scratch)


def _locked_plugins(assembly: _Assembly) -> list[tuple[LockedPlugin, Fetched]]:
    path = assembly.there.config.images.plugins
    content = assembly.there.tree.read_many([path]).get(path)
    if content is None:
        return []
    listed = plugins_lock.parse(content, path)
    found = []
    for number, plugin in enumerate(listed):
        assembly.progress(f"context: {plugin.name}", number, len(listed))
        found.append((plugin, taken(plugin, cache_folder(assembly.environment))))
    return found


def _refuse_unfit(
    assembly: _Assembly,
    moodle: MoodleTree,
    ours: Sequence[Component],
    theirs: Sequence[tuple[LockedPlugin, Fetched]],
) -> None:
    """Refuse plugins that are there twice, or fit neither Moodle nor each other."""
    tree = assembly.there.tree
    candidates = [
        Candidate(version_php.parse(tree.read(one.manifest), one.manifest), one.declared) for one in ours
    ] + [Candidate(one.facts, locked.place) for locked, one in theirs]  # fmt: skip
    names = [one.facts.name for one in candidates]
    for one in candidates:
        if names.count(one.facts.name) > 1:
            raise InputsRefused(
                f"{one.facts.name} is a component of this repository and locked as a plugin of others",
                where=[one.place for one in candidates if one.facts.name in names],
                fix=f"remove it from {assembly.there.config.images.plugins}",
            )

    def core(name: str) -> int | None:
        kind, _, own = name.partition("_")
        folder = moodle.plugin_folders.get(kind)
        manifest = moodle.root / folder / own / "version.php" if folder else None
        if manifest is None or not manifest.is_file():
            return None
        return version_php.parse(manifest.read_bytes(), name).build

    refuse_unfit(moodle.version, core, candidates)


def _put_plugins(
    assembly: _Assembly,
    moodle: MoodleTree,
    ours: Sequence[Component],
    theirs: Sequence[tuple[LockedPlugin, Fetched]],
) -> Iterator[Part]:
    found: list[tuple[str, str, str, Sequence[Entry], Place]] = []
    for plugin in ours:
        files = _files_of(assembly, plugin)
        found.append((plugin.native, str(plugin.version), "", files, plugin.declared))
    for locked_plugin, fetched in theirs:
        version = str(locked_plugin.version)
        found.append((locked_plugin.name, version, locked_plugin.url, fetched.entries, locked_plugin.place))
    folders = dict(moodle.plugin_folders)
    for name, _, _, entries, place in found:
        kind, _, own = name.partition("_")
        for entry in entries:
            if kind in folders and entry.path.partition("/")[2] == _SUBPLUGINS:
                try:
                    folders |= subplugin_folders(entry.content, f"{folders[kind]}/{own}", folders)
                except ValueError as error:
                    raise InputsRefused(
                        f"{_SUBPLUGINS} of {name} is refused: {error}",
                        where=[place],
                        fix="tell its makers, and don't list it until it is mended",
                    ) from None
    for name, version, url, entries, place in found:
        kind, _, own = name.partition("_")
        if kind not in folders:
            raise InputsRefused(
                f"{name} can't be put into {moodle.version.text}: it has no plugins of the type {kind}",
                where=[place],
                fix="correct its name, or lock the plugin that it is a subplugin of",
            )
        if assembly.context.has(f"{_MOODLE}/{folders[kind]}/{own}/version.php"):
            raise InputsRefused(
                f"Moodle's source has {folders[kind]}/{own} already",
                where=[place],
                fix="name a source without it, or don't list it",
            )
        for entry in entries:
            assembly.context.put(replace(entry, path=f"{_MOODLE}/{folders[kind]}/{entry.path}"))
        yield Part(
            kind="plugin", name=name, version=version, digest=_digest_of(entries), source=url,
            license=_license(entries),
        )  # fmt: skip


def _license(entries: Sequence[Entry]) -> str:
    """Return the licence that the header of a plugin's ``version.php`` names, in SPDX's words.

    Source: https://moodledev.io/general/development/policies/codingstyle#files
    """
    header = next(
        (one.content for one in entries if one.path.count("/") == 1 and one.path.endswith("/version.php")), b""
    )
    return "GPL-3.0-or-later" if _GPL.search(header) else "NOASSERTION"


def _files_of(assembly: _Assembly, plugin: Component) -> list[Entry]:
    """Return the files of a plugin of this repository; libraries for the image's platforms are built if need be."""
    there = assembly.there
    if plugin.version is None:
        raise FormatError(f"{plugin.name} has no version", where=[plugin.declared], fix="write one")
    source = there.source(plugin, plugin.version, partial=True)
    mine = {target_of(platform) for platform in assembly.platforms}
    targets = sorted({one.native.target for one in wanted(source)} & mine)
    if not assembly.overrides.partial:
        _build_missing(assembly, plugin, targets)
    elif missing := shipped(source, targets)[1]:
        paths = ", ".join(one.native.path for one in missing)
        assembly.omissions.append(f"{plugin.name} is without {paths}: release bundle build {plugin.name} makes it")
    return plugin_files(source, targets)


def _build_missing(assembly: _Assembly, plugin: Component, targets: Sequence[str]) -> None:
    """Build those libraries for ``targets`` that aren't there, or belong to another commit."""
    there = assembly.there
    assert plugin.version is not None
    for target in targets:
        try:
            shipped(there.source(plugin, plugin.version), [target])
        except PackageRefused:
            build_bundles(
                there.repository, [plugin.name], revision=there.commit, targets=[target],
                environment=assembly.environment, progress=assembly.progress,
            )  # fmt: skip
