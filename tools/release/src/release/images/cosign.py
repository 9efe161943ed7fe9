"""Signatures and attestations beside images in a registry, by cosign: with a key, or without one as a CI job.

Source: https://docs.sigstore.dev/cosign/signing/overview/
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release.errors import CredentialsMissing, ImageUnproven
from release.publish.registry import Credentials

__all__ = ["Cosign", "Trust", "public_half"]

_SBOM = "spdxjson"
_BY_KEY = ("--tlog-upload=false",)
"""A signature by a key needs no public log; one without a key is nothing without it."""
_WITHOUT_LOG = "--insecure-ignore-tlog=true"
_PLAIN = ("--new-bundle-format=false", "--use-signing-config=false")
"""Where signatures lie, and which servers are asked, as every cosign from 2.0 has it: by default 3 does otherwise, and
refuses a signature that no log is told of. Not every version and command has these options, and those that have them
may hide them.

Source: https://github.com/sigstore/cosign/blob/v3.1.3/cmd/cosign/cli/signcommon/common.go
"""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures count: a public key's, or an identity's (a regular expression) that an issuer vouches for."""

    key: str | None = None
    identity: str | None = None
    issuer: str | None = None

    @property
    def arguments(self) -> list[str]:
        """What cosign is told."""
        if self.key is not None:
            return ["--key", self.key, _WITHOUT_LOG]
        return ["--certificate-identity-regexp", self.identity or "", "--certificate-oidc-issuer", self.issuer or ""]


def public_half(key: str) -> str:
    """Return what verifies ``key``: of a file the one beside it, of a key's address (``awskms://``) that itself."""
    return key if "://" in key else str(Path(key).with_suffix(".pub"))


@dataclass(frozen=True, slots=True)
class Cosign:
    """cosign for one registry: ``key`` (a file or a KMS address) signs, ``None`` stands for the job's own identity."""

    program: str
    environment: Mapping[str, str]
    key: str | None = None

    @classmethod
    @contextmanager
    def opened(
        cls, registry: str, credentials: Credentials | None, environment: Mapping[str, str], key: str | None = None
    ) -> Iterator[Cosign]:
        """Yield cosign for ``registry`` (its host); without ``credentials`` those of ``docker login`` are used.

        Raises:
            ImageUnproven: it is not installed.
        """
        program = shutil.which("cosign", path=environment.get("PATH"))
        if program is None:
            raise ImageUnproven(
                "there is no cosign, which makes and verifies signatures",
                fix="put it on PATH: https://docs.sigstore.dev/cosign/system_config/installation/",
            )
        with tempfile.TemporaryDirectory(prefix="release-cosign-") as folder:
            given = dict(environment)
            if credentials is not None:
                auth = base64.b64encode(":".join(credentials).encode()).decode()
                path = Path(folder) / "config.json"
                path.touch(mode=0o600)
                path.write_text(json.dumps({"auths": {registry: {"auth": auth}}}))
                given["DOCKER_CONFIG"] = folder
            yield cls(program, given, key)

    def sign(self, reference: str) -> None:
        """Sign ``reference`` (with a digest), and what it is an index of."""
        self._run("sign", "--yes", "--recursive", *self._plain("sign"), *self._key(), reference)

    def attest(self, reference: str, bill: Path) -> None:
        """Attach the bill of materials ``bill`` to ``reference`` (with a digest), signed, in place of one before."""
        told = ("--yes", "--replace", "--type", _SBOM, "--predicate", str(bill))
        self._run("attest", *told, *self._plain("attest"), *self._key(), reference)

    def verify(self, reference: str, trust: Trust) -> None:
        """Refuse ``reference`` without a signature that counts.

        Raises:
            ImageUnproven: it has none.
        """
        self._run("verify", *trust.arguments, "--output", "json", reference)

    def bills(self, reference: str, trust: Trust) -> list[Any]:
        """Return the bills of materials of ``reference`` whose signatures count, as in-toto statements.

        Raises:
            ImageUnproven: it has none.
        """
        said = self._run("verify-attestation", "--type", _SBOM, *trust.arguments, reference)
        envelopes = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        return [json.loads(base64.b64decode(envelope["payload"])) for envelope in envelopes]

    def _plain(self, command: str) -> list[str]:
        """Return what of :data:`_PLAIN` the ``command`` takes; a cosign doesn't always know its own version."""
        return [option for option in _PLAIN if self._done(command, option, "--help").returncode == 0]

    def _key(self) -> list[str]:
        return [] if self.key is None else ["--key", self.key, *_BY_KEY]

    def _run(self, *arguments: str) -> str:
        done = self._done(*arguments)
        if done.returncode:
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            errors = [line for line in lines if line.lower().startswith("error")]
            why = [*lines, *errors][-1] if lines else ""
            if "decrypt" in why or "password" in why.lower():
                raise CredentialsMissing(f"cosign can't read the key: {why}", fix="set COSIGN_PASSWORD to its password")
            raise ImageUnproven(
                f"cosign {arguments[0]} {arguments[-1]}: {why or f'exit code {done.returncode}'}",
                fix="see who signed it: cosign tree shows what is beside an image",
            )
        return done.stdout

    def _done(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            env={**os.environ, **self.environment}, stdin=subprocess.DEVNULL, capture_output=True, check=False,
            encoding="utf-8", errors="replace",
        )  # fmt: skip
