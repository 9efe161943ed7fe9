"""Runs the measurements on a throwaway site, contenders in turn."""

from __future__ import annotations

import json
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from release.errors import ImageUnproven
from release.images.bench.load import Page, Round, load
from release.images.bench.tunings import TUNINGS, Tuning
from release.images.site import HOST, LABEL, log_in, site

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

    from release.images.site import Site

__all__ = ["Comparison", "Effort", "Report", "Size", "measure"]

_PASSWORD = "Measured-1"
_LIMITS: Mapping[str, Any] = {"mem_limit": "2g", "nano_cpus": 2_000_000_000}
_UNCONFINED: Mapping[str, Any] = {"read_only": False, "user": "0", "cap_drop": [], "security_opt": [], "tmpfs": {}}
_INI = "/etc/moodle/php/zz-bench.ini"
_CONFIG = "/bench/config.php"


@dataclass(frozen=True, slots=True)
class Effort:
    """How long is measured: visitors at once, seconds of a round, and rounds of each contender (even)."""

    visitors: int = 4
    seconds: float = 5.0
    rounds: int = 4


@dataclass(frozen=True, slots=True)
class Comparison:
    """Rounds of a page with and without something, made in turn; element n of both belongs together."""

    what: str
    page: str
    ours: tuple[Round, ...]
    theirs: tuple[Round, ...]

    def gain(self, value: Callable[[Round], float]) -> float:
        """Return the median of ours through theirs."""
        pairs = zip(self.ours, self.theirs, strict=True)
        return statistics.median(value(ours) / value(theirs) for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Size:
    """What an image takes: bytes without Moodle's tree, seconds to ready and of the first page, bytes of a worker."""

    image: str
    unpacked: int
    ready: tuple[float, ...]
    first_page: tuple[float, ...]
    worker: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that was measured, when, and on what."""

    conditions: str
    sizes: tuple[Size, ...]
    pages: tuple[Comparison, ...]
    tunings: tuple[Comparison, ...]
    compressed: float


@dataclass(frozen=True, slots=True)
class _Contender:
    """A running container, where it listens, and the pages as its visitors see them."""

    container: Container
    address: str
    pages: Mapping[str, Page]


def measure(
    client: DockerClient,
    image: str,
    other: Path,
    *,
    effort: Effort,
    database: str = "pgsql",
    images: Mapping[str, str] | None = None,
    tunings: Sequence[Tuning] = TUNINGS,
    progress: Callable[[str, int, int], None],
) -> Report:
    """Measure ``image`` beside the image of the folder ``other``, which takes the same Moodle as ``ARG MOODLE``.

    Raises:
        ImageUnproven: a container doesn't start, or a page isn't what it should be.
    """
    done, steps = 0, 5 + len(tunings)

    def step(what: str) -> None:
        nonlocal done
        progress(what, done, steps)
        done += 1

    step("building the image to compare with")
    plain = build(client, other, image)
    with site(client, image, database=database, images=images) as place:
        step("installing Moodle")
        place.install()
        step("making a course, a quiz and students")
        seeded = seed(place, effort.visitors)
        copy_files(place, plain)
        step("starting the images")
        sizes = (
            size(place, image, {}, "/readyz", seeded),
            size(
                place,
                plain,
                {**_UNCONFINED, "image": plain, "dataroot": f"{place.dataroot}-other"},
                "/login/index.php",
                seeded,
            ),
        )
        step("measuring pages")
        with contender(place, seeded) as ours, other_contender(place, plain, seeded) as theirs:
            pages = tuple(
                compare(name, name, ours, theirs, effort) for name in ("login", "course", "quiz attempt", "file")
            )
            compressed = compression(place, ours)
            workers = (worker_bytes(ours.container), worker_bytes(theirs.container))
        sized = tuple(replace(one, worker=worker) for one, worker in zip(sizes, workers, strict=True))
        compared = []
        for tuning in tunings:
            step(f"measuring without {tuning.name}")
            with contender(place, seeded) as ours, without(place, tuning, seeded) as theirs:
                compared.append(compare(tuning.name, tuning.page, ours, theirs, effort))
        progress("done", steps, steps)
    return Report(conditions(client, effort, database), sized, pages, tuple(compared), compressed)


def build(client: DockerClient, folder: Path, moodle: str) -> str:
    """Build the image of ``folder`` with the tree of the image ``moodle``; return its id."""
    from docker.errors import BuildError

    try:
        made, _ = client.images.build(path=str(folder), buildargs={"MOODLE": moodle}, rm=True, labels={LABEL: "1"})
    except BuildError as error:
        said = "".join(str(line.get("stream", "")) for line in error.build_log)
        raise ImageUnproven(f"{folder} can't be built: {error}\n{said[-2000:]}") from error
    return str(made.id)


def seed(place: Site, students: int) -> dict[str, Any]:
    """Put what is measured into the site; return what seed.php says of it."""
    with as_file(files("release.images.bench") / "seed.php") as script:
        mounted = {str(script): {"bind": "/bench/seed.php", "mode": "ro"}}
        code, output = place.run("cli", "php", "/bench/seed.php", str(students), _PASSWORD, volumes=mounted)
    if code:
        raise ImageUnproven(f"the site can't be filled: exit code {code}:\n{output[-3000:]}")
    found: dict[str, Any] = json.loads(output.strip().splitlines()[-1])
    return found


def copy_files(place: Site, image: str) -> None:
    """Give the other image a dataroot of its own with the same files, so that no cache is shared."""
    volume = f"{place.dataroot}-other"
    place.client.volumes.create(volume, labels={LABEL: "1", "moodle-platform.site": place.dataroot})
    script = "cp -r /from/filedir /var/moodledata/ && chown -R www-data: /var/moodledata"
    code, output = place.run(
        *("sh", "-c", script), image=image, dataroot=volume, entrypoint=[],
        volumes={place.dataroot: {"bind": "/from", "mode": "ro"}}, **_UNCONFINED,
    )  # fmt: skip
    if code:
        raise ImageUnproven(f"Moodle's files can't be copied: {output}")


@contextmanager
def contender(place: Site, seeded: Mapping[str, Any], **options: Any) -> Iterator[_Contender]:
    """Yield a container whose visitors are logged in and whose caches are warm; it is removed afterwards."""
    ready = options.pop("ready", "/readyz")
    container = place.start(*options.pop("command", ("web",)), **{**_LIMITS, **options})
    try:
        place.wait_ready(container, path=ready)
        made = _Contender(container, place.address(container), visits(place, container, seeded))
        for page in made.pages.values():
            load(made.address, HOST, page, 0.5)
        yield made
    finally:
        container.remove(force=True, v=True)


@contextmanager
def other_contender(place: Site, image: str, seeded: Mapping[str, Any]) -> Iterator[_Contender]:
    """Yield the image that is compared with, with its own command and all rights."""
    options = {**_UNCONFINED, "image": image, "dataroot": f"{place.dataroot}-other", "command": ()}
    with contender(place, seeded, ready="/login/index.php", **options) as made:
        yield made


@contextmanager
def without(place: Site, tuning: Tuning, seeded: Mapping[str, Any]) -> Iterator[_Contender]:
    """Yield the image without one tuning."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        volumes = {}
        environment = dict(tuning.environment)
        for path, content in ((_INI, tuning.ini), (_CONFIG, tuning.config and f"<?php\n{tuning.config}\n")):
            if content:
                file = folder / Path(path).name
                file.write_text(content, encoding="utf-8")
                volumes[str(file)] = {"bind": path, "mode": "ro"}
        if tuning.config:
            environment["MOODLE_CONFIG_EXTRA"] = _CONFIG
        with contender(place, seeded, volumes=volumes, environment=environment) as made:
            yield made


def visits(place: Site, container: Container, seeded: Mapping[str, Any]) -> dict[str, Page]:
    """Log the students in; return the pages that they look at."""
    cookies = []
    for user in seeded["users"]:
        with place.browser(container) as client:
            if log_in(client, user, _PASSWORD).status_code != 303:
                raise ImageUnproven(f"{user} can't log in")
            cookies.append("; ".join(f"{name}={value}" for name, value in client.cookies.items()))
    count = len(cookies)
    attempts = [
        f"/mod/quiz/attempt.php?attempt={seeded['attempts'][user]}&cmid={seeded['quiz']}" for user in seeded["users"]
    ]
    found = (
        Page("login", ("/login/index.php",) * count, ("",) * count, b'name="logintoken"'),
        Page("course", (f"/course/view.php?id={seeded['course']}",) * count, tuple(cookies), b"A forum of section 10"),
        Page("quiz attempt", tuple(attempts), tuple(cookies), b'id="responseform"'),
        Page("file", (str(seeded["file"]),) * count, tuple(cookies), b""),
    )
    return {page.name: page for page in found}


def compare(what: str, page: str, ours: _Contender, theirs: _Contender, effort: Effort) -> Comparison:
    """Load the page of both in turn, so that a change of the machine's load meets both: A B, B A, A B, ..."""
    rounds: dict[int, list[Round]] = {0: [], 1: []}
    for number in range(effort.rounds):
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            one = (ours, theirs)[index]
            before = cpu_seconds(one.container)
            made = load(one.address, HOST, one.pages[page], effort.seconds)
            rounds[index].append(Round(made.latencies, made.wall, cpu_seconds(one.container) - before))
    return Comparison(what, page, tuple(rounds[0]), tuple(rounds[1]))


def cpu_seconds(container: Container) -> float:
    """Return the CPU time that the container has used so far."""
    stats: Any = container.stats(stream=False, one_shot=True)
    return float(stats["cpu_stats"]["cpu_usage"]["total_usage"]) / 1e9


def size(place: Site, image: str, options: Mapping[str, Any], ready: str, seeded: Mapping[str, Any]) -> Size:
    """Measure what needs a container of its own: the image's size, and three starts."""
    code, output = place.run(
        *("-c", "du -sxB1 --exclude=/var/www/moodle --exclude=/var/moodledata /"),
        image=image, dataroot=None, entrypoint=["/bin/sh"], **_UNCONFINED,
    )  # fmt: skip
    if code:
        raise ImageUnproven(f"the size of {image} can't be found: {output}")
    starts, firsts = [], []
    command = ("web",) if not options else ()
    for _ in range(3):
        begin = time.monotonic()
        container = place.start(*command, **{**_LIMITS, **options})
        try:
            place.wait_ready(container, path=ready)
            starts.append(time.monotonic() - begin)
            pages = visits(place, container, {**seeded, "users": seeded["users"][:1]})
            firsts.append(load(place.address(container), HOST, pages["course"], 0).latencies[0])
        finally:
            container.remove(force=True, v=True)
    return Size(image, int(output.split()[0]), tuple(starts), tuple(firsts), 0)


def worker_bytes(container: Container) -> int:
    """Return a PHP worker's bytes, its part of what workers share included; 0 where that can't be read."""
    listed = container.top(ps_args="-o pid,args")["Processes"]
    found = []
    for pid, *words in listed:
        if "php-fpm: pool" not in " ".join(words):
            continue
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
        except OSError:
            return 0
        pss = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        found.append(int(pss[1]) * 1024 if pss else 0)
    return round(statistics.mean(found)) if found else 0


def compression(place: Site, ours: _Contender) -> float:
    """Return how many times smaller the course page arrives when the visitor takes it compressed."""
    page = ours.pages["course"]
    sizes = {}
    for encoding in ("identity", "gzip"):
        with place.browser(ours.container) as client:
            headers = {"Cookie": page.cookies[0], "Accept-Encoding": encoding}
            with client.stream("GET", page.paths[0], headers=headers) as response:
                sizes[encoding] = sum(len(chunk) for chunk in response.iter_raw())
    return sizes["identity"] / sizes["gzip"]


def conditions(client: DockerClient, effort: Effort, database: str) -> str:
    """Return on what and how was measured, as a line for readers."""
    facts: Any = client.info()
    load = " to ".join(f"{one:.1f}" for one in sorted(os.getloadavg()[:2]))
    parts = (
        f"{facts['NCPU']} CPUs under load {load}, {facts['MemTotal'] / 2**30:.0f} GiB, {facts['OperatingSystem']}",
        f"Linux {facts['KernelVersion']}, Docker {facts['ServerVersion']}, {database}",
        f"{effort.visitors} visitors at once, {effort.rounds} rounds of {effort.seconds:g} s for each, in turn",
        f"{datetime.now(UTC):%Y-%m-%d}",
    )
    return "; ".join(parts)
