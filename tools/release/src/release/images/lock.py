"""``image.lock.json``: all that an image was built from, with digests, and what came out."""

from __future__ import annotations

from pathlib import Path

import msgspec

from release.errors import FormatError, Place

__all__ = ["LOCK", "BaseInput", "Inputs", "Lock", "MoodleInput", "Part", "Result", "load", "render"]

LOCK = "image.lock.json"


class _Frozen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the file."""


class BaseInput(_Frozen, frozen=True):
    """What the image begins with; ``snapshot`` is empty where packages are those of the day."""

    image: str
    snapshot: str = ""
    digest: str = ""
    """Of an image of this repository, as BuildKit built it."""


class MoodleInput(_Frozen, frozen=True):
    """Moodle's source: where it is from, which it is, and the digest of its files."""

    origin: str
    release: str
    version: str
    digest: str


class Part(_Frozen, frozen=True):
    """A component in the image, or a plugin of others: ``digest`` is that of its files in the context."""

    kind: str
    name: str
    version: str
    digest: str
    source: str = ""
    """The address of a plugin of others."""
    license: str = "NOASSERTION"
    """As SPDX calls it, where it says so."""


class Inputs(_Frozen, frozen=True):
    """All that decides what comes out; ``time`` is in seconds since the epoch, ``context`` a digest of all files.

    ``omissions`` says what a partial build left out.
    """

    name: str
    version: str
    commit: str
    time: int
    base: BaseInput
    moodle: MoodleInput | None
    parts: tuple[Part, ...]
    context: str
    platforms: tuple[str, ...]
    omissions: tuple[str, ...] = ()


class Result(_Frozen, frozen=True):
    """What came out for one platform: digests of the manifest and the configuration, and bytes of the layers.

    ``manifest`` and ``packed`` are not known where the engine's own builder was used, which makes no manifest.
    """

    platform: str
    config: str
    manifest: str | None = None
    packed: int | None = None


class Lock(_Frozen, frozen=True):
    """The whole file; ``builder`` is ``buildkit`` or ``engine``."""

    reference: str
    builder: str
    inputs: Inputs
    results: tuple[Result, ...]
    version: int = 1


def render(lock: Lock) -> bytes:
    """Return the file: sorted, the same bytes for the same lock."""
    return msgspec.json.format(msgspec.json.encode(lock, order="sorted"), indent=2) + b"\n"


def load(path: Path) -> Lock | None:
    """Return the lock in the file ``path``, ``None`` when there is none.

    Raises:
        FormatError: it is another file.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Lock)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise FormatError(
            f"{path} is no {LOCK}: {error}", where=[Place(str(path))], fix="build the image again"
        ) from None
