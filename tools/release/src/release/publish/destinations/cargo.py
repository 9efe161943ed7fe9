"""crates.io, or another registry that Cargo publishes to; its index says what is there.

Sources: https://doc.rust-lang.org/cargo/reference/registry-index.html (the sparse protocol; ``cksum`` is the SHA-256 of
the ``.crate``) and https://doc.rust-lang.org/cargo/commands/cargo-publish.html.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import ClassVar

import msgspec

from release.errors import ConfigError, CredentialsMissing, DestinationRefused
from release.publish.cargo import CargoFailed, cargo, locked, without_tokens
from release.publish.destination import Access, Artifact, Released, Step, Trusted
from release.web.http import Http

__all__ = ["Cargo"]

_CRATES_IO = "crates-io"
_CRATES_IO_INDEX = "https://index.crates.io/"
_TOKEN = "CARGO_REGISTRY_TOKEN"
_ABSENT = (404, 410, 451)
_DENIED = (401, 403)
_ADVICE = dict.fromkeys(_DENIED, "check the credentials and what they may do, then run it again")


class Cargo:
    """Publishes crates with Cargo."""

    name: ClassVar[str] = "cargo"
    options: ClassVar[Mapping[str, bool]] = {"registry": False, "index": False}
    secrets: ClassVar[Mapping[str, str]] = {
        _TOKEN: "the registry's token; crates.io gives one for a run by OIDC",
        "CARGO_REGISTRIES_*_TOKEN": "the token of the registry that is named",
    }

    def access(self, options: Mapping[str, str]) -> Access:
        """Return the way to a token by OIDC for crates.io (trusted publishing), the token of any other registry."""
        if options.get("registry", _CRATES_IO) != _CRATES_IO:
            return Access(secrets={_TOKEN: self.secrets[_TOKEN]})
        reason = "prove to crates.io which workflow asks for a token"
        return Access(trusted=Trusted("rust-lang/crates-io-auth-action", "token", _TOKEN, reason))

    def steps(self, release: Released, options: Mapping[str, str], environment: Mapping[str, str]) -> Iterator[Step]:
        """Yield the one step of a crate, which is skipped where its manifest says that it is not published.

        Raises:
            ConfigError: the component is no crate, or the index of its registry is not known.
        """
        if release.component.kind != "crate":
            raise ConfigError(
                f"the {release.component.kind} {release.component.name} can't be published to a cargo registry",
                fix="name such a destination for crates only, under publish.kinds in release.yaml",
            )
        registry = options.get("registry", _CRATES_IO)
        index = options.get("index", _CRATES_IO_INDEX if registry == _CRATES_IO else "")
        if not index:
            raise ConfigError(
                f"where the index of the cargo registry {registry} is has not been said",
                fix="add the option index: sparse+https://…/ to the destination in release.yaml",
            )
        return self._steps(release, registry, index.removeprefix("sparse+"), environment)

    def _steps(self, release: Released, registry: str, index: str, environment: Mapping[str, str]) -> Iterator[Step]:
        name = release.component.native
        allowed = _allowed(release, environment)
        if allowed is not None and registry not in allowed:
            says = f"publish = {msgspec.json.encode(allowed).decode()}" if allowed else "publish = false"
            yield Step(f"crate {name} {release.version}", "", lambda: None, lambda: None, skipped=says)
            return
        token = environment.get(f"CARGO_REGISTRIES_{_variable(registry)}_TOKEN") or environment.get(_TOKEN)
        http = Http(f"the index of {registry}", index.rstrip("/"), {"Cache-Control": "no-cache"}, token or "", _ADVICE)
        look = partial(_checksum, http, name, str(release.version))
        for artifact in release.artifacts:
            yield Step(
                f"crate {name} {release.version} in {registry}",
                artifact.sha256,
                look,
                lambda artifact=artifact: _publish(  # type: ignore[misc]
                    release, artifact, registry, index, token, environment, look
                ),
            )


def _variable(registry: str) -> str:
    return registry.upper().replace("-", "_")


def _allowed(release: Released, environment: Mapping[str, str]) -> list[str] | None:
    """Return the registries that the manifest names under ``publish``; ``None`` where it allows all."""
    manifest = release.checkout() / release.component.manifest
    arguments = ["metadata", "--no-deps", "--format-version", "1", "--manifest-path", str(manifest)]
    try:
        data = msgspec.json.decode(cargo(arguments, manifest.parent, without_tokens(environment)))
    except CargoFailed as error:
        raise DestinationRefused(error.what, fix="mend what Cargo says and release that") from None
    found: list[str] | None = next(
        package["publish"] for package in data["packages"] if package["name"] == release.component.native
    )
    return found


def _checksum(http: Http, name: str, version: str) -> str | None:
    """Return the SHA-256 (hexadecimal) that the index has for the crate, ``None`` where it has none."""
    path = f"/{_index_path(name)}"
    answer = http.send("GET", path, ok=(200, *_ABSENT, *_DENIED))
    if answer.status_code in _DENIED:
        if not http.secret:
            raise http.refused(answer)
        answer = http.send("GET", path, ok=(200, *_ABSENT), headers={"Authorization": http.secret})
    if answer.status_code != 200:
        return None
    for line in answer.text.splitlines():
        entry = msgspec.json.decode(line) if line.strip() else {}
        # A registry takes one of several versions that differ in build metadata alone.
        if str(entry.get("vers", "")).partition("+")[0] == version.partition("+")[0]:
            return str(entry["cksum"])
    return None


def _index_path(name: str) -> str:
    lower = name.lower()
    match len(lower):
        case 1 | 2 as length:
            return f"{length}/{lower}"
        case 3:
            return f"3/{lower[0]}/{lower}"
        case _:
            return f"{lower[:2]}/{lower[2:4]}/{lower}"


def _publish(
    release: Released,
    artifact: Artifact,
    registry: str,
    index: str,
    token: str | None,
    environment: Mapping[str, str],
    look: partial[str | None],
) -> None:
    """Build the crate as its users will, without the token in sight, then let Cargo upload it."""
    if not token:
        own = _TOKEN if registry == _CRATES_IO else f"CARGO_REGISTRIES_{_variable(registry)}_TOKEN"
        raise CredentialsMissing(
            f"the token of the cargo registry {registry} is not in the environment", fix=f"set {own} for this step"
        )
    root = release.checkout()
    manifest: Path = root / release.component.manifest
    plain = without_tokens(environment)
    if registry != _CRATES_IO:
        plain[f"CARGO_REGISTRIES_{_variable(registry)}_INDEX"] = f"sparse+{index}"
    name = _TOKEN if registry == _CRATES_IO else f"CARGO_REGISTRIES_{_variable(registry)}_TOKEN"
    with tempfile.TemporaryDirectory(prefix="release-cargo-") as target:
        common = [*locked(root, manifest), "--target-dir", target]
        try:
            cargo(["package", *common], manifest.parent, plain)
            cargo(["publish", "--no-verify", *common, "--registry", registry], manifest.parent, {**plain, name: token})
        except CargoFailed as error:
            # Cargo also fails where only its waiting for the index did.
            if look() != artifact.sha256:
                raise DestinationRefused(
                    error.what, fix="mend what Cargo says, then run it again: what is done is not done twice"
                ) from None
