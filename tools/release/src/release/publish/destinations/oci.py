"""An OCI registry: charts as Helm pushes them, and the tags of images whose bytes are there by digest already.

Sources: https://helm.sh/docs/topics/registries/ and https://github.com/helm/community/blob/main/hips/hip-0006.md for
a chart's manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import ClassVar

import msgspec

from release.errors import ConfigError, DestinationRefused, PackageRefused
from release.publish.destination import Access, Artifact, Grant, Released, Step
from release.publish.floating import floating_tags, newer_version
from release.publish.registry import OciRepository, credentials_for, digest_of
from release.publish.settings import oci_address

__all__ = ["Oci"]

_GHCR = "ghcr.io"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"


class Oci:
    """Pushes charts, and tags images that the workflow pushed by digest."""

    name: ClassVar[str] = "oci"
    options: ClassVar[Mapping[str, bool]] = {"repository": True}
    secrets: ClassVar[Mapping[str, str]] = {
        "OCI_PASSWORD": "the registry's password or token; OCI_USERNAME is whose",
        "GITHUB_TOKEN": "the workflow's own token, for ghcr.io",
    }

    def access(self, options: Mapping[str, str]) -> Access:
        """Return the job's own token for GitHub's registry, a user and password for any other."""
        if options["repository"].removeprefix("oci://").startswith(f"{_GHCR}/"):
            return Access((Grant("packages", "write", "push charts and tags to ghcr.io"),))
        return Access(secrets={"OCI_USERNAME": "the registry's user", "OCI_PASSWORD": self.secrets["OCI_PASSWORD"]})

    def steps(self, release: Released, options: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[Step]:
        """Yield the steps; each is looked for and done with requests of its own.

        Raises:
            ConfigError: the component is neither an image nor a chart.
            PackageRefused: the digest of an image is not known.
        """
        address = oci_address(options["repository"], release.component)
        repository = OciRepository(address, credentials_for(address, environment))
        match release.component.kind:
            case "chart":
                for artifact in release.artifacts:
                    yield from _chart(repository, address, release, artifact)
            case "image":
                yield from _image(repository, address, release)
            case kind:
                raise ConfigError(
                    f"the {kind} {release.component.name} can't be published to an OCI registry",
                    fix="name such a destination for images and charts only, under publish.kinds in release.yaml",
                )


def _chart(repository: OciRepository, address: str, release: Released, artifact: Artifact) -> Iterator[Step]:
    """Yield the steps of a chart: two blobs, then the manifest under the version's tag, by which it is there.

    It has no floating tags: Helm reads ``1`` as the version 1.0.0, and finds the newest version itself.
    """
    from release.publish.packages.chart import CHART_LAYER

    archive = artifact.path.read_bytes()
    config = _chart_config(archive, release)
    manifest = msgspec.json.encode(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": {"mediaType": _CHART_CONFIG, "digest": digest_of(config), "size": len(config)},
            "layers": [{"mediaType": CHART_LAYER, "digest": digest_of(archive), "size": len(archive)}],
            "annotations": {
                "org.opencontainers.image.revision": release.commit,
                "org.opencontainers.image.title": release.component.native,
                "org.opencontainers.image.version": str(release.version),
            },
        }
    )
    tag = str(release.version).replace("+", "_")
    for what, blob in (("config", config), ("archive", archive)):
        digest = digest_of(blob)
        yield Step(
            f"{what} of {address}:{tag}", digest, partial(repository.blob, digest), partial(repository.put_blob, blob)
        )
    yield Step(
        f"{address}:{tag}",
        digest_of(manifest),
        partial(repository.digest, tag),
        partial(repository.put_manifest, tag, manifest, _MANIFEST),
    )


def _chart_config(archive: bytes, release: Released) -> bytes:
    """Return ``Chart.yaml`` as JSON, which is what Helm makes the config."""
    import gzip
    import io
    import tarfile

    import yaml

    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(archive))) as files:
        member = files.extractfile(f"{release.component.native}/Chart.yaml")
        assert member is not None, "the packager puts the manifest there"
        facts = yaml.safe_load(member.read())
    return msgspec.json.encode(facts, order="deterministic")


def _image(repository: OciRepository, address: str, release: Released) -> Iterator[Step]:
    """Yield the steps of an image: the tag of the version, which never moves, then those of its lines."""
    digest = release.digest
    if digest is None:
        raise PackageRefused(
            f"which image {release.component.name} {release.version} is has not been said",
            fix=f"give the digest that was pushed and tested: --digest {release.component.name}=sha256:…",
        )
    version = release.version
    yield Step(
        f"{address}:{version}",
        digest,
        partial(repository.digest, str(version)),
        partial(_tag, repository, address, digest, str(version)),
    )
    for line in floating_tags(version):

        def newer(line: str = line) -> str | None:
            found = newer_version(repository.tags(), line, version)
            return None if found is None else str(found)

        def look(line: str = line) -> str | None:
            ahead = newer(line)
            return repository.digest(line) if ahead is None else f"that of {ahead}"

        yield Step(
            f"{address}:{line}",
            digest,
            look,
            partial(_tag, repository, address, digest, line),
            accepts=lambda found: found.startswith("that of "),
            moves=True,
        )


def _tag(repository: OciRepository, address: str, digest: str, tag: str) -> None:
    """Put the manifest that is there by ``digest`` under ``tag``."""
    found = repository.manifest(digest)
    if found is None:
        raise DestinationRefused(
            f"{address} has no image {digest}", fix="push the image by digest first, to this repository"
        )
    repository.put_manifest(tag, *found)
