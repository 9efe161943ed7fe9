"""Verify an image in a registry from what lies beside it there: signature, bill of materials, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from release.errors import ImageUnproven
from release.images.cosign import Cosign, Trust
from release.images.layout import INDEX
from release.publish.registry import OciRepository

__all__ = ["Proven", "resolve", "verify"]

_OF = "vnd.docker.reference.digest"
_PREDICATE = "in-toto.io/predicate-type"
_PROVENANCE = "https://slsa.dev/provenance/"


@dataclass(frozen=True, slots=True)
class Proven:
    """One platform's image that was verified: its labels, how many packages it lists, what it was built from."""

    platform: str
    digest: str
    labels: Mapping[str, str]
    packages: Mapping[str, int]
    builder: str
    materials: tuple[str, ...]


def resolve(repository: OciRepository, address: str, reference: str) -> str:
    """Return the digest that the tag or digest ``reference`` of the repository at ``address`` leads to.

    Raises:
        ImageUnproven: there is none.
    """
    digest = repository.digest(reference)
    if digest is None:
        raise ImageUnproven(f"there is no {address}:{reference}", fix="correct the reference, or push the image")
    return digest


def verify(repository: OciRepository, address: str, digest: str, cosign: Cosign, trust: Trust) -> tuple[Proven, ...]:
    """Return what was verified of each platform's image in the index ``digest``.

    Raises:
        ImageUnproven: a signature, a bill of materials or a provenance is missing, or is about something else.
    """
    cosign.verify(f"{address}@{digest}", trust)
    manifest = _manifest(repository, address, digest)
    entries = manifest.get("manifests")
    if manifest.get("mediaType") != INDEX or entries is None:
        raise _unproven(address, digest, "it has no provenance: it is no index of images and attestations")
    attestations = {
        (entry.get("annotations") or {}).get(_OF): entry["digest"] for entry in entries if _os(entry) == "unknown"
    }
    images = [entry for entry in entries if _os(entry) != "unknown"]
    if not images:
        raise _unproven(address, digest, "it has no image in it")
    return tuple(_image(repository, address, entry, attestations, cosign, trust) for entry in images)


def _image(
    repository: OciRepository,
    address: str,
    entry: Any,
    attestations: Mapping[str | None, str],
    cosign: Cosign,
    trust: Trust,
) -> Proven:
    digest = str(entry["digest"])
    cosign.verify(f"{address}@{digest}", trust)
    provenance = _provenance(repository, address, digest, attestations.get(digest))
    bill = next((one for one in cosign.bills(f"{address}@{digest}", trust) if _is_about(one, digest)), None)
    if bill is None:
        raise _unproven(address, digest, "its bill of materials is that of another image")
    manifest = _manifest(repository, address, digest)
    config = json.loads(repository.read_blob(manifest["config"]["digest"]) or b"{}")
    platform = entry.get("platform") or config
    definition = provenance["predicate"].get("buildDefinition") or {}
    return Proven(
        "/".join(platform[key] for key in ("os", "architecture", "variant") if platform.get(key)),
        digest,
        (config.get("config") or {}).get("Labels") or {},
        _counted(bill["predicate"]),
        str(definition.get("buildType") or provenance["predicate"].get("buildType")),
        tuple(str(one.get("uri")) for one in definition.get("resolvedDependencies") or ()),
    )


def _provenance(repository: OciRepository, address: str, digest: str, attestation: str | None) -> Any:
    """Return the builder's statement about the image ``digest``."""
    if attestation is None:
        raise _unproven(address, digest, "it has no provenance")
    for layer in _manifest(repository, address, attestation)["layers"]:
        if str((layer.get("annotations") or {}).get(_PREDICATE)).startswith(_PROVENANCE):
            statement = json.loads(repository.read_blob(layer["digest"]) or b"{}")
            if not _is_about(statement, digest):
                raise _unproven(address, digest, "its provenance is that of another image")
            return statement
    raise _unproven(address, digest, "it has no provenance")


def _is_about(statement: Any, digest: str) -> bool:
    hexadecimal = digest.rpartition(":")[2]
    subjects = statement.get("subject") or ()
    return bool(subjects) and all((one.get("digest") or {}).get("sha256") == hexadecimal for one in subjects)


def _counted(bill: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for package in bill.get("packages") or ():
        purls = [one["referenceLocator"] for one in package.get("externalRefs") or () if one["referenceType"] == "purl"]
        kind = purls[0].removeprefix("pkg:").partition("/")[0] if purls else "ours"
        found[kind] = found.get(kind, 0) + 1
    return dict(sorted(found.items()))


def _manifest(repository: OciRepository, address: str, digest: str) -> Any:
    found = repository.manifest(digest)
    if found is None:
        raise _unproven(address, digest, "it is not there")
    return json.loads(found[0])


def _os(entry: Any) -> str:
    return str((entry.get("platform") or {}).get("os"))


def _unproven(address: str, digest: str, what: str) -> ImageUnproven:
    return ImageUnproven(f"{address}@{digest}: {what}", fix="don't run it; push it again with release image push")
