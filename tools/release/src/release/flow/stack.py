"""The local stack of a repository: read it, write its Compose file, start it, and say how it is reached."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from difflib import unified_diff
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from release.checks.moodle_core import PLUGIN_FOLDERS
from release.errors import ConfigError, Place, StackFailed
from release.flow.progress import Progress, silent
from release.images.engine import connected
from release.images.labels import REVISION
from release.model.component import Component
from release.repository.git import Repository
from release.repository.lock import locked
from release.repository.tree import WorkTree
from release.stack import images
from release.stack.compose import FILE, MARK, compose
from release.stack.drivers import DRIVERS, usual
from release.stack.model import Stack
from release.stack.ports import Moved, choose
from release.stack.running import Report, Running
from release.stack.site import FOLDER, Choices, Parts, own_image, site, web_address
from release.stack.state import BUCKET, S3_KEY, State
from release.workspace.config import CONFIG, Config, load
from release.workspace.discover import discover
from release.workspace.stack import NAME, Ports, StackImage

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from release.flow.image import Overrides

__all__ = [
    "FILE",
    "Reached",
    "Row",
    "Site",
    "Summary",
    "built",
    "drift",
    "generate",
    "held",
    "images_of",
    "make_bucket",
    "running",
    "seed",
    "status",
    "survey_stack",
    "up",
]

Build = Callable[[Progress], str]
"""Returns the name of an image that is in the engine, built if need be."""
_PATIENCE = 1800
"""The longest that the start of all services takes (seconds): Moodle's installation on a slow machine."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the tracked files on disk say about the stack."""

    repository: Repository
    config: Config
    parts: Parts
    images: Mapping[str, Component]

    @property
    def root(self) -> Path:
        """The folder of the work tree."""
        return self.repository.root

    @property
    def state(self) -> State:
        """What this machine keeps of the stack."""
        return State(self.root)


@dataclass(frozen=True, slots=True)
class Reached:
    """Where something of the stack is reached, and as whom; ``password`` is empty where there is none."""

    what: str
    address: str
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a start of the stack came to."""

    stack: Stack
    driver: str
    moved: tuple[Moved, ...]
    reached: tuple[Reached, ...]


def survey_stack(repository: Repository) -> Site:
    """Return what the tracked files on disk say.

    Raises:
        ReleaseError: the configuration or a component can't be read.
    """
    tree = WorkTree(repository)
    disk = repository.root / CONFIG
    content = tree.read_many([CONFIG]).get(CONFIG) or (disk.read_bytes() if disk.is_file() else None)
    config = load(content)
    components = discover(tree, config).components.values()
    plugins = {one.path: folder for one in components if one.kind == "plugin" and (folder := _moodle_folder(one))}
    found = {one.name: one for one in components if one.kind == "image"}
    return Site(repository, config, Parts(frozenset(found), plugins), found)


def _moodle_folder(plugin: Component) -> str | None:
    """Return where Moodle 5.1 and later want the plugin; ``None`` for one that lies in another plugin."""
    kind, _, name = plugin.native.partition("_")
    folder = next((folder for folder, of in PLUGIN_FOLDERS.items() if of == kind), None)
    return f"public/{folder}/{name}" if folder and plugin.path else None


def generate(found: Site) -> None:
    """Write the Compose file into the repository.

    Raises:
        ConfigError: there is one that was written by hand.
    """
    path = found.root / FILE
    if path.exists() and not _read(path).startswith(f"# {MARK}"):
        raise ConfigError(
            f"{FILE} was not generated, and would be overwritten", where=[Place(FILE)], fix="move it away or delete it"
        )
    path.write_text(_generated(found), encoding="utf-8")


def drift(found: Site) -> str:
    """Return in which lines the repository's Compose file differs from what it should be; empty: in none."""
    there, wanted = _read(found.root / FILE), _generated(found)
    lines = unified_diff(there.splitlines(), wanted.splitlines(), FILE, f"{FILE} (generated)", lineterm="")
    return "\n".join(lines)


def _generated(found: Site) -> str:
    return compose(site(found.config, found.parts, Choices()))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def images_of(content: bytes, path: str) -> dict[StackImage, str]:
    """Return the images that the file ``path`` with ``content`` names, by what they are for.

    Raises:
        ConfigError: it names something else.
    """
    try:
        return msgspec.yaml.decode(content, type=dict[StackImage, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        known = ", ".join(one.value for one in StackImage)
        raise ConfigError(
            f"this names no images of the stack: {error}",
            where=[Place(path)],
            fix=f"write a line `WHAT: IMAGE` for each; WHAT is one of {known}",
        ) from None


def running(found: Site, choices: Choices) -> Running:
    """Return what runs of the stack.

    Raises:
        EngineUnfit: no engine answers.
        StackFailed: another project has its name.
    """
    name = _name(found, choices)
    now = Running(connected(), name, found.state.owner)
    now.refuse_foreign()
    return now


def _name(found: Site, choices: Choices) -> str:
    """Return the name of the Compose project; that of the folder is as Compose makes it.

    Source: NormalizeProjectName of https://github.com/compose-spec/compose-go/blob/main/loader/loader.go

    Raises:
        ConfigError: Compose would not take it.
    """
    if choices.name is not None and not re.match(NAME, choices.name):
        raise ConfigError(
            f"{choices.name!r} can't be the name of a stack", fix="use small letters, digits, - and _ (--name)"
        )
    folder = re.sub(r"[^-_a-z0-9]", "", found.root.resolve().name.lower()).lstrip("-_")
    return choices.name or found.config.stack.name or folder or "stack"


def held(found: Site, command: str) -> AbstractContextManager[None]:
    """Keep other starts and stops of this work tree's stack out; ``command`` is who holds it.

    Raises:
        Locked: another one is under way.
    """
    return locked(found.repository, command, what=f"start or stop of the stack in {found.root.name}")


def up(
    found: Site,
    choices: Choices,
    *,
    driver: str | None = None,
    build: Build,
    report: Report,
    progress: Progress = silent,
) -> Summary:
    """Start the stack, or bring what runs of it to what is wanted; return how it is reached.

    ``build`` is asked for Moodle's image where that is one of this repository.

    Raises:
        EngineUnfit: no engine answers.
        Locked: another start or stop is under way.
        StackFailed: a service does not come up, an image can't be had, or what has its name is another's.
    """
    with held(found, "release stack up"):
        return _up(found, choices, driver or usual(), build, report, progress)


def _up(found: Site, choices: Choices, driver: str, build: Build, report: Report, progress: Progress) -> Summary:
    now = running(found, choices)
    state = found.state
    if not state.known and now.has_volumes():
        raise StackFailed(
            f"the stack {now.name} has data here, but the folder {FOLDER} with its passwords is gone",
            fix=f"bring {FOLDER} back, or delete the data with `release stack reset`",
        )
    state.prepare()
    now = replace(now, owner=state.owner)
    ports, moved = choose(found.config.stack.ports, state.ports(now.name), now.ports())
    stack = site(found.config, found.parts, replace(choices, name=now.name, ports=ports))
    if (own := own_image(found.config)) in {service.image for service in stack.services.values()}:
        _give(now.client, build(progress), own)
    absent = images.missing(now.client, stack)
    if (moodle := found.config.stack.moodle) in absent and not re.search("[/:]", moodle):
        raise ConfigError(
            f"there is no image component {moodle} here, and no other image for Moodle",
            where=[Place(CONFIG)],
            fix="name one at stack.moodle: a component of the kind image, or an image with its registry",
        )
    for image in absent:
        images.pull(now.client, image, progress)
    state.keep_ports(now.name, found.config.stack.ports, ports)
    state.write(compose(stack, now.owner.labels))
    now.make_ground(stack)
    DRIVERS[driver](now, stack, found.root, state.file, report)
    now.wait(stack, list(stack.services), report, _PATIENCE)
    make_bucket(now)
    return Summary(stack, driver, moved, _reached(state, stack, ports))


def make_bucket(now: Running) -> None:
    """Make the bucket where it is missing.

    Source: https://github.com/seaweedfs/seaweedfs/wiki/S3-API-FAQ
    """
    code, said = now.run(
        "s3", ["sh", "-c", f"printf 's3.bucket.create -name {BUCKET}\\ns3.bucket.list\\n' | weed shell"]
    )
    if code or BUCKET not in [line.split()[0] for line in said.splitlines() if line.strip()]:
        raise StackFailed(
            f"the S3 server has no bucket {BUCKET}: {said.strip() or f'weed shell ended with {code}'}",
            fix="read `release stack logs s3`; then `release stack up` goes on from here",
        )


@dataclass(frozen=True, slots=True)
class Row:
    """One service as it is now."""

    service: str
    state: str
    well: bool
    addresses: tuple[str, ...]
    image: str


def status(found: Site, choices: Choices) -> list[Row]:
    """Return how each service is, of those that the stack consists of or that run.

    Raises:
        EngineUnfit: no engine answers.
    """
    now = running(found, choices)
    stack = site(found.config, found.parts, choices)
    containers = now.containers()
    rows = []
    for name in [*stack.services, *(name for name in containers if name not in stack.services)]:
        container = containers.get(name)
        if container is None and name == "seed":
            continue
        state = now.state(stack.services.get(name), container)
        image = str(container.attrs["Config"]["Image"]) if container is not None else stack.services[name].image
        rows.append(Row(name, state.word, state.well, _addresses(container), image))
    return rows


def _addresses(container: Container | None) -> tuple[str, ...]:
    bindings = (container.attrs["HostConfig"].get("PortBindings") or {}).values() if container is not None else ()
    return tuple(f"http://localhost:{one['HostPort']}" for given in bindings for one in given)


def seed(found: Site, choices: Choices, report: Report) -> str:
    """Make the course, the users and the quiz, as far as they are not there; return what the seed says.

    Raises:
        StackFailed: the stack does not run, or the seed fails.
    """
    now = running(found, choices)
    container = now.one("seed")
    container.start()
    now.wait(site(found.config, found.parts, choices), ["seed"], report, _PATIENCE)
    return container.logs(tail=1).decode(errors="replace").strip()


def built(repository: Repository, name: str, overrides: Overrides, environment: Mapping[str, str]) -> Build:
    """Return what gives the reference of the image component ``name`` as of HEAD.

    It is built where it is missing or was made from something else; plugins don't count, they are mounted.
    """

    def reference(progress: Progress) -> str:
        from docker.errors import ImageNotFound

        from release.flow.image import build, current
        from release.flow.image import images as image_components
        from release.flow.package import opened

        with opened(repository, environment) as at:
            head = repository.head()
            wanted = image_components(at(head))[name].reference
            try:
                made_from = connected().images.get(wanted).labels.get(REVISION, "")
            except ImageNotFound:
                made_from = ""
            fits = current(at, head, name, made_from)
        if not fits:
            build(
                repository,
                [name],
                overrides=overrides,
                builder=environment.get("BUILDX_BUILDER"),
                connect=connected,
                environment=environment,
                progress=progress,
            )
        return wanted

    return reference


def _give(client: DockerClient, image: str, name: str) -> None:
    repository, _, tag = name.rpartition(":")
    client.images.get(image).tag(repository, tag)


def _reached(state: State, stack: Stack, ports: Ports) -> tuple[Reached, ...]:
    web = web_address(ports)
    people = [Reached("site", web, "admin", state.password("admin-password"))]
    if "seed" in stack.services:
        password = state.password("user-password")
        people += [Reached("site", web, name, password) for name in ("teacher", "student", "student2")]
    return (
        *people,
        Reached("caught mail", f"http://localhost:{ports.mail}"),
        Reached(f"S3, bucket {BUCKET}", f"http://localhost:{ports.s3}", S3_KEY, state.password("s3-secret-key")),
    )
