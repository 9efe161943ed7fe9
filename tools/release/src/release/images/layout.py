"""An image as a folder in OCI's layout, as BuildKit writes it: what is in it, and how an engine takes it.

Source: https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, BinaryIO

__all__ = ["INDEX", "MANIFEST", "Layout", "Platform"]

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OF = "vnd.docker.reference.digest"
"""The annotation of an attestation that names the manifest which it is about."""
_PREDICATE = "in-toto.io/predicate-type"


@dataclass(frozen=True, slots=True)
class Platform:
    """The image for one platform (as ``linux/arm64``): its manifest's digest, and what that says."""

    name: str
    digest: str
    manifest: Any

    @property
    def config(self) -> str:
        """The digest of its configuration, by which most engines know an image."""
        return str(self.manifest["config"]["digest"])

    @property
    def layers(self) -> list[tuple[str, int]]:
        """The digests of its layers from the lowest on, and their packed sizes in bytes; null stands for none."""
        return [(str(layer["digest"]), int(layer["size"])) for layer in self.manifest["layers"] or ()]


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout in ``folder``."""

    folder: Path

    def blob(self, digest: str) -> Path:
        """Return the file of the blob ``digest``."""
        return self.folder / "blobs" / digest.replace(":", "/")

    def read(self, digest: str) -> Any:
        """Return the blob ``digest``, read as JSON."""
        return json.loads(self.blob(digest).read_bytes())

    @property
    def top(self) -> tuple[str, str]:
        """The digest and the media type of what a tag leads to."""
        (entry,) = json.loads((self.folder / "index.json").read_bytes())["manifests"]
        return str(entry["digest"]), str(entry["mediaType"])

    def platforms(self) -> tuple[Platform, ...]:
        """Return the image for each platform, sorted by its name."""
        found = []
        for entry in self._manifests():
            platform = entry.get("platform") or self._platform(entry["digest"])
            name = "/".join(platform[key] for key in ("os", "architecture", "variant") if platform.get(key))
            if platform["os"] != "unknown":
                found.append(Platform(name, entry["digest"], self.read(entry["digest"])))
        return tuple(sorted(found, key=lambda one: one.name))

    def attestations(self, manifest: str) -> Iterator[Any]:
        """Yield the in-toto statements that the builder made about ``manifest``."""
        for entry in self._manifests():
            if (entry.get("annotations") or {}).get(_OF) == manifest:
                for layer in self.read(entry["digest"])["layers"]:
                    if _PREDICATE in (layer.get("annotations") or {}):
                        yield self.read(layer["digest"])

    def _manifests(self) -> list[Any]:
        digest, media_type = self.top
        if media_type == INDEX:
            return list(self.read(digest)["manifests"])
        return [{"digest": digest, "mediaType": media_type}]

    def _platform(self, manifest: str) -> Any:
        return self.read(self.read(manifest)["config"]["digest"])

    @contextmanager
    def archive(self, platform: Platform, reference: str) -> Iterator[BinaryIO]:
        """Yield a stream of ``platform``'s image as ``docker load`` takes it; it gets the tag ``reference``.

        What names the tag comes last, so that no reader takes a stream that ends too early for an image.

        Source: https://github.com/moby/moby/blob/master/image/spec/spec.md#combined-image-json--filesystem-changeset-format

        Raises:
            OSError: a file of the layout can't be read.
        """
        reading, writing = os.pipe()
        path = "blobs/" + platform.config.replace(":", "/")
        layers = ["blobs/" + digest.replace(":", "/") for digest, _ in platform.layers]
        listing = json.dumps([{"Config": path, "RepoTags": [reference], "Layers": layers}]).encode()
        failed: list[OSError] = []

        def write() -> None:
            try:
                with open(writing, "wb") as out, tarfile.open(fileobj=out, mode="w|") as archive:  # noqa: PTH123
                    for name in dict.fromkeys((path, *layers)):
                        archive.add(self.folder / name, name)
                    info = tarfile.TarInfo("manifest.json")
                    info.size = len(listing)
                    archive.addfile(info, io.BytesIO(listing))
            except BrokenPipeError:
                pass  # the reader closed the stream, and knows why
            except OSError as error:
                failed.append(error)

        writer = Thread(target=write, daemon=True)
        writer.start()
        try:
            with open(reading, "rb") as stream:  # noqa: PTH123
                yield stream
        finally:
            writer.join()
            if failed:
                raise failed[0]
