"""Images that are built: tried, weighed, pushed with what proves them, and verified again from the registry."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from release.errors import BuildFailed, ImageUnproven, Place, WorkspaceError
from release.flow.image import Image, base_of, last_change, named, output_folder
from release.flow.package import At, opened
from release.flow.progress import Progress, silent
from release.images.contents import Contents, of_engine
from release.images.contract import broken, starts
from release.images.cosign import Cosign, Trust
from release.images.layout import Layout
from release.images.lock import LOCK, Lock, load
from release.images.push import refuse_other, tag, upload
from release.images.sbom import SBOM, bill
from release.images.verify import Proven, resolve, verify
from release.publish.registry import OciRepository, credentials_for
from release.repository.git import Repository
from release.workspace.config import CONFIG

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image as EngineImage

__all__ = ["Pushed", "Weight", "push", "size", "tried", "trust_of", "verified"]

_GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
_REFERENCE = re.compile(
    r"(?P<address>(?:[\w-]+(?:[.][\w-]+)+|localhost|\[[0-9a-f:]+\]|[\w-]+(?=:[0-9]+/))(?::[0-9]+)?(?:/[a-z0-9._-]+)+)"
    r"(?::(?P<tag>\w[\w.-]*))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_TRIED = {"release.test": "1"}
_VERSION = "/public/version.php"
_NO_TESTS = 5
"""pytest's exit code when it collected none."""


@dataclass(frozen=True, slots=True)
class Weight:
    """An image's unpacked bytes: of its layers with their instructions, of Moodle's tree, and of folders."""

    reference: str
    layers: tuple[tuple[str, int], ...]
    moodle: int
    folders: Mapping[str, int]

    @property
    def total(self) -> int:
        """Bytes of all layers."""
        return sum(size for _, size in self.layers)


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in a registry: its address with the tag, or the digest if it has none, the digest, and its proofs."""

    reference: str
    digest: str
    proven: tuple[Proven, ...]


def tried(
    repository: Repository,
    names: Sequence[str],
    *,
    reference: str | None = None,
    connect: Callable[[], DockerClient],
    environment: Mapping[str, str],
    progress: Progress = silent,
) -> list[str]:
    """Try the images ``names`` (default: all) as they are in the engine; return the references of those that passed.

    ``reference`` is tried in place of the image that was built as the one of ``names``; it is pulled if need be.

    Raises:
        ImageUnproven: an image isn't there, breaks the contract of all images, or its own tests fail.
    """
    client = connect()
    passed = []
    with opened(repository, environment) as at:
        there = at(repository.head())
        for image in named(there, names):
            tried_as = reference or image.reference
            progress(f"test {image.component.name}: its files", 0, 0)
            found = _in_engine(client, image) if reference is None else _pulled(client, reference)
            wrong = list(broken(found, of_engine(found)))
            if not wrong:
                progress(f"test {image.component.name}: it starts", 0, 0)
                wrong += [why for why in (starts(client, found, _TRIED),) if why]
            if wrong:
                raise ImageUnproven(
                    f"the image {tried_as} is not fit to be run: {'; '.join(wrong)}",
                    where=[Place(f"{image.component.path}/Dockerfile".lstrip("/"))],
                    fix="mend its Dockerfile, commit, and build it again",
                )
            _run_own_tests(repository, image, tried_as, environment, progress)
            passed.append(tried_as)
    return passed


def _run_own_tests(
    repository: Repository, image: Image, reference: str, environment: Mapping[str, str], progress: Progress
) -> None:
    folder = repository.root / image.component.path / "tests"
    if not folder.is_dir():
        return
    if find_spec("pytest") is None:
        raise ImageUnproven(
            f"the image {image.reference} has tests of its own, but the Python of this command has no pytest",
            where=[Place(folder.relative_to(repository.root).as_posix())],
            fix=f"{sys.executable} -m pip install pytest (pipx: pipx inject PACKAGE pytest), and what the tests import",
        )
    progress(f"test {image.component.name}: its own tests", 0, 0)
    variable = f"IMAGE_{image.component.native.upper().replace('-', '_')}"
    given = {**environment, "IMAGE": reference, variable: reference}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder)],
        cwd=repository.root, env=given, stdin=subprocess.DEVNULL, stdout=sys.stderr, check=False,
    )  # fmt: skip
    if done.returncode:
        what = "has no tests in" if done.returncode == _NO_TESTS else "fails the tests in"
        where = folder.relative_to(repository.root).as_posix()
        raise ImageUnproven(f"the image {reference} {what} {where}", where=[Place(where)], fix="see above")


def size(
    repository: Repository,
    names: Sequence[str],
    *,
    connect: Callable[[], DockerClient],
    environment: Mapping[str, str],
    progress: Progress = silent,
) -> list[Weight]:
    """Return what the images ``names`` (default: all) weigh as they are in the engine.

    Raises:
        ImageUnproven: one isn't there.
    """
    client = connect()
    with opened(repository, environment) as at:
        weights = []
        for image in named(at(repository.head()), names):
            progress(f"weigh: {image.reference}", 0, 0)
            weights.append(_weight(_in_engine(client, image), image.reference))
        return weights


def _weight(image: EngineImage, reference: str) -> Weight:
    contents = of_engine(image)
    instructions = [_instruction(entry) for entry in reversed(image.history() or ()) if entry.get("Size")]
    sizes = [size for size in contents.layers if size]
    labels = [*instructions, *("" for _ in sizes)][: len(sizes)]
    roots = [path.removesuffix(_VERSION) for path in contents.files if path.endswith(_VERSION)]
    moodle = contents.below(roots[0]) if roots else 0
    return Weight(reference, tuple(zip(labels, sizes, strict=True)), moodle, _folders(contents))


def _instruction(entry: Mapping[str, Any]) -> str:
    return " ".join(str(entry.get("CreatedBy", "")).removeprefix("/bin/sh -c #(nop) ").split())


def _folders(contents: Contents) -> dict[str, int]:
    """Return the bytes below each folder of the second level, the largest first."""
    found: dict[str, int] = {}
    for file in contents.files.values():
        parts = file.path.split("/")
        name = "/".join(parts[:3]) if len(parts) > 3 else "/".join(parts[:2])
        found[name] = found.get(name, 0) + file.size
    return dict(sorted(found.items(), key=lambda entry: (-entry[1], entry[0])))


def _in_engine(client: DockerClient, image: Image) -> EngineImage:
    from docker.errors import ImageNotFound

    try:
        return client.images.get(image.reference)
    except ImageNotFound:
        raise ImageUnproven(
            f"the image {image.reference} is not in the engine", fix=f"release image build {image.component.name}"
        ) from None


def _pulled(client: DockerClient, reference: str) -> EngineImage:
    from docker.errors import APIError, ImageNotFound

    try:
        return client.images.get(reference)
    except ImageNotFound:
        pass
    try:
        return client.images.pull(reference)
    except APIError as error:
        raise ImageUnproven(
            f"there is no image {reference}: {error.explanation or error}", fix="correct it, or log docker in there"
        ) from None


def push(
    repository: Repository,
    names: Sequence[str],
    *,
    to: str | None = None,
    as_built: bool = False,
    key: str | None = None,
    trust: Trust,
    tagged: bool = True,
    environment: Mapping[str, str],
    report: Callable[[Pushed], None] = lambda _: None,
    progress: Progress = silent,
) -> None:
    """Push the images ``names`` (default: all), as they were built last, with all that proves them.

    Each is uploaded by digest, gets its bill of materials and its signature, and is verified from the registry; then
    its version becomes a tag, unless it isn't to be ``tagged``. ``to`` takes the place of the repository that
    ``image.yaml`` names, ``{name}`` in it that of the image's name. ``as_built`` takes what was built from other inputs
    than the commit's, or in part.

    Raises:
        BuildFailed: an image wasn't built, by a builder that makes no provenance, or from other inputs.
        DestinationDiffers: the version is there with another image.
        ImageUnproven: syft or cosign is not there or fails, or what is in the registry is not what was pushed.
    """
    with opened(repository, environment) as at:
        there = at(repository.head())
        for image in named(there, names):
            address = _address(image, to)
            folder = output_folder(repository, image.component.name)
            lock = _last_build(image, folder)
            if not as_built:
                _refuse_unlike(there, image, lock)
            layout = Layout(folder / "oci")
            registry = OciRepository(address, credentials_for(address, environment))
            version = lock.inputs.version
            if tagged:
                refuse_other(layout, registry, address, version)
            bills = _bills(layout, lock, folder, progress)
            digest = upload(layout, registry, progress)
            with Cosign.opened(
                address.partition("/")[0], credentials_for(address, environment), environment, key
            ) as cosign:
                progress(f"sign: {address}", 0, 0)
                cosign.sign(f"{address}@{digest}")
                for manifest, path in bills.items():
                    progress(f"sign: bill of materials of {manifest[:19]}", 0, 0)
                    cosign.attest(f"{address}@{manifest}", path)
                progress(f"verify: {address}", 0, 0)
                proven = verify(registry, address, digest, cosign, trust)
            if tagged:
                tag(layout, registry, version)
            report(Pushed(f"{address}:{version}" if tagged else f"{address}@{digest}", digest, proven))


def _address(image: Image, to: str | None) -> str:
    address = to.replace("{name}", image.component.native) if to is not None else image.facts.repository
    if address is None:
        raise WorkspaceError(
            f"nothing says where the image {image.component.name} is pushed",
            where=[Place(image.facts.path)],
            fix="write its repository into image.yaml, or use --to HOST/NAME",
        )
    return address


def _last_build(image: Image, folder: Path) -> Lock:
    lock = load(folder / LOCK)
    name = image.component.name
    if lock is None or lock.inputs.version != str(image.component.version):
        built = f"was built as {lock.inputs.version}" if lock is not None else "isn't built"
        raise BuildFailed(f"the image {name} {image.component.version} {built}", fix=f"release image build {name}")
    if lock.builder != "buildkit":
        raise BuildFailed(
            f"the image {name} was built by the engine's own builder, which makes no provenance",
            fix="docker buildx create --use, then build it again",
        )
    layout = Layout(folder / "oci")
    there = {one.digest for one in layout.platforms()} if (layout.folder / "index.json").is_file() else set()
    if there != {one.manifest for one in lock.results}:
        raise BuildFailed(
            f"what {folder} has of the image {name} is another build than {LOCK} there says",
            fix=f"a run was ended: release image build {name}",
        )
    return lock


def _refuse_unlike(there: At, image: Image, lock: Lock) -> None:
    wrong = list(_unlike(there, image, lock))
    if wrong:
        name, commit = image.component.name, there.commit[:12]
        raise BuildFailed(
            f"the image {name} is not what {commit} makes: {'; '.join(wrong)}",
            where=[Place(str(output_folder(there.repository, name) / LOCK))],
            fix=f"release image build {name}, without --partial and other inputs; or use --as-built",
        )


def _unlike(there: At, image: Image, lock: Lock) -> Iterator[str]:
    """Say in what ``lock`` is another build than that of the commit with what its ``release.yaml`` says."""
    inputs, configured, base = lock.inputs, there.config.images, base_of(there, image)
    commit, _ = last_change(there, image)
    if inputs.commit != commit:
        yield f"it was built from {inputs.commit[:12]}, its last change is {commit[:12]}"
    first = base.reference if base is not None else configured.base.image
    if inputs.base.image != first:
        yield f"it begins with {inputs.base.image}, not with {first}"
    day, wanted_day = inputs.base.snapshot or "the day", configured.base.snapshot or "the day"
    if day != wanted_day:
        yield f"Debian's packages are of {day}, not of {wanted_day}"
    source = configured.moodle
    wanted = f"{source.repository} {source.tag} {source.commit}" if source is not None else CONFIG
    if inputs.moodle is not None and inputs.moodle.origin != wanted:
        yield f"Moodle is from {inputs.moodle.origin}, not from {wanted}"
    yield from inputs.omissions
    if base is None:
        return
    below = load(output_folder(there.repository, base.component.name) / LOCK)
    layout = Layout(output_folder(there.repository, base.component.name) / "oci")
    if below is None or inputs.base.digest not in {layout.top[0], *(one.digest for one in layout.platforms())}:
        yield f"its base {base.component.name} was built anew since then"
    else:
        yield from (f"its base {base.component.name}: {why}" for why in _unlike(there, base, below))


def _bills(layout: Layout, lock: Lock, folder: Path, progress: Progress) -> dict[str, Path]:
    """Return the bill of materials of each platform's image, by its digest, as a file."""
    found = {}
    for platform in layout.platforms():
        progress(f"bill of materials: {platform.name}", 0, 0)
        path = folder / f"{platform.name.replace('/', '-')}.{SBOM}"
        path.write_bytes(bill(layout, platform, lock))
        found[platform.digest] = path
    return found


def verified(
    reference: str, *, trust: Trust, environment: Mapping[str, str], progress: Progress = silent
) -> tuple[str, tuple[Proven, ...]]:
    """Verify the image ``reference`` in its registry; return its digest and what is in it.

    Raises:
        ImageUnproven: it isn't there, or a signature, a bill of materials or a provenance is missing or wrong.
    """
    address, name = _parsed(reference)
    registry = OciRepository(address, credentials_for(address, environment))
    progress(f"verify: {reference}", 0, 0)
    found = resolve(registry, address, name)
    with Cosign.opened(address.partition("/")[0], credentials_for(address, environment), environment) as cosign:
        return found, verify(registry, address, found, cosign, trust)


def _parsed(reference: str) -> tuple[str, str]:
    """Return the address of ``reference`` and its digest, else its tag; a digest says more than the tag beside it."""
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise ImageUnproven(
            f"{reference} names no image in a registry", fix="write HOST/NAME:TAG or HOST/NAME@sha256:DIGEST"
        )
    return found["address"], found["digest"] or found["tag"] or "latest"


def trust_of(there: At | None, key: str | None, identity: str | None, issuer: str | None) -> Trust:
    """Return whose signatures count: ``key``'s, or those of ``identity``; by default this repository's workflows.

    Of these count the runs for the main branch and for tags, which not everyone who may push a branch can start.

    Raises:
        ImageUnproven: nothing says whose.
    """
    if key is not None:
        return Trust(key)
    github = there.config.github if there is not None else None
    if identity is None and there is not None and github is not None:
        workflows = f"https://github[.]com/{re.escape(github.repository)}/[.]github/workflows/[^@]+"
        identity = f"^{workflows}@refs/(heads/{re.escape(there.config.main)}|tags/.+)$"
    if identity is None:
        raise ImageUnproven(
            "nothing says whose signature counts",
            fix="use --key cosign.pub, or --identity and --issuer, or write github.repository into release.yaml",
        )
    return Trust(None, identity, issuer or _GITHUB_ISSUER)
