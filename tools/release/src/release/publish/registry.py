"""A repository in an OCI registry, through the distribution API.

Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md ; for tokens
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from release.errors import CredentialsMissing, DestinationRefused
from release.model.edit import digest as sha256
from release.web.http import Http

if TYPE_CHECKING:
    import httpx

__all__ = ["Credentials", "OciRepository", "credentials_for", "digest_of"]

Credentials = tuple[str, str]
"""User and password (or token)."""

_MANIFESTS = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_LOCAL = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?")
_GHCR = "ghcr.io"
_SPOKEN_TO = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
"""Docker Hub answers at another host than its images are called after."""
_PAGE = "1000"
_DENIED = (401, 403)
_ADVICE = dict.fromkeys(_DENIED, "check the credentials and what they may do, then run it again")


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class _Token(msgspec.Struct):
    token: str | None = None
    access_token: str | None = None


def digest_of(content: bytes) -> str:
    """Return the digest of ``content`` as registries write it."""
    return f"sha256:{sha256(content)}"


def credentials_for(address: str, environment: Mapping[str, str]) -> Credentials | None:
    """Return what ``environment`` says for the registry of ``address``, ``None`` where it says nothing."""
    pairs = [("OCI_USERNAME", "OCI_PASSWORD")]
    if address.startswith(f"{_GHCR}/"):
        pairs.append(("GITHUB_ACTOR", "GITHUB_TOKEN"))
    for user, password in pairs:
        if environment.get(user) and environment.get(password):
            return environment[user], environment[password]
    return None


class OciRepository:
    """One repository: ``HOST[:PORT]/NAME``; plain HTTP is spoken only with this machine."""

    def __init__(self, address: str, credentials: Credentials | None) -> None:
        host, _, self.name = address.partition("/")
        self.host = _SPOKEN_TO.get(host, host)
        base = f"{'http' if _LOCAL.fullmatch(host) else 'https'}://{self.host}"
        secret = credentials[1] if credentials is not None else ""
        self._http = Http(f"the registry {urlsplit(base).hostname}", base, {}, secret, _ADVICE)
        self._credentials = credentials
        self._authorization: str | None = None

    def blob(self, digest: str) -> str | None:
        """Return ``digest`` when the repository has that blob."""
        answer = self._send("HEAD", self._url("blobs", digest), ok=(200, 404))
        return digest if answer.status_code == 200 else None

    def read_blob(self, digest: str) -> bytes | None:
        """Return the blob ``digest``, ``None`` when it is not there.

        Raises:
            DestinationRefused: the bytes are others.
        """
        answer = self._send("GET", self._url("blobs", digest), ok=(200, 404))
        if answer.status_code == 404:
            return None
        if digest_of(answer.content) != digest:
            raise DestinationRefused(
                f"the registry gives {digest_of(answer.content)} for the blob {digest} of {self.name}",
                fix="do not use this registry before its operators have looked at it",
            )
        return answer.content

    def put_blob(self, content: bytes | Path, digest: str | None = None) -> None:
        """Upload ``content`` as one blob (POST, then PUT); a file's ``digest`` has to be known."""
        named = digest_of(content) if isinstance(content, bytes) else digest
        started = self._send("POST", f"/v2/{self.name}/blobs/uploads/", ok=(202,), push=True)
        location = urljoin(str(started.request.url), started.headers.get("Location", ""))
        self._send(
            "PUT",
            location + ("&" if "?" in location else "?") + f"digest={named}",
            ok=(201,),
            push=True,
            body=content,
            headers={"Content-Type": "application/octet-stream"},
        )

    def digest(self, reference: str) -> str | None:
        """Return the digest of the manifest that the tag or digest ``reference`` leads to, ``None`` without one."""
        answer = self._send("HEAD", self._url("manifests", reference), ok=(200, 404), headers={"Accept": _MANIFESTS})
        if answer.status_code == 404:
            return None
        said: str | None = answer.headers.get("Docker-Content-Digest")
        if said is None:
            found = self.manifest(reference)
            return digest_of(found[0]) if found is not None else None
        return said

    def manifest(self, reference: str) -> tuple[bytes, str] | None:
        """Return the bytes of a manifest and their media type.

        Raises:
            DestinationRefused: ``reference`` is a digest and the bytes are others.
        """
        answer = self._send("GET", self._url("manifests", reference), ok=(200, 404), headers={"Accept": _MANIFESTS})
        if answer.status_code == 404:
            return None
        if ":" in reference and digest_of(answer.content) != reference:
            raise DestinationRefused(
                f"the registry gives {digest_of(answer.content)} for {self.name}@{reference}",
                fix="do not use this registry before its operators have looked at it",
            )
        return answer.content, answer.headers.get("Content-Type", "")

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Put the manifest ``content`` under the tag ``reference``."""
        self._send(
            "PUT",
            self._url("manifests", reference),
            ok=(201,),
            push=True,
            body=content,
            headers={"Content-Type": media_type},
        )

    def tags(self) -> frozenset[str]:
        """Return all tags; an empty set where there is no such repository yet."""
        found: set[str] = set()
        url = self._http.url(f"/v2/{self.name}/tags/list?n={_PAGE}")
        while url:
            answer = self._send("GET", url, ok=(200, 404))
            if answer.status_code == 404:
                break
            found.update(self._http.read(answer, _Tags).tags or ())
            following = answer.links.get("next", {}).get("url")
            url = urljoin(url, following) if following else ""
        return frozenset(found)

    def _url(self, kind: str, reference: str) -> str:
        return f"/v2/{self.name}/{kind}/{reference}"

    def _send(
        self,
        method: str,
        url: str,
        *,
        ok: tuple[int, ...],
        push: bool = False,
        body: bytes | Path | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, and once more with credentials when the registry asks for them.

        Any of them may come twice: content is named by its digest, and an upload that was begun twice is ended once.
        """
        # An upload's address may be another host's, which must not get the registry's credentials.
        ours = urlsplit(self._http.url(url)).netloc == urlsplit(self._http.base).netloc
        for attempt in range(2):
            authorization = {"Authorization": self._authorization} if self._authorization and ours else {}
            sent = {**(headers or {}), **authorization}
            answer = self._http.send(method, url, ok=(*ok, *_DENIED), headers=sent, body=body, again=True)
            if answer.status_code != 401 or attempt or not ours:
                break
            self._authorize(answer.headers.get("WWW-Authenticate", ""), push=push)
        return self._allowed(answer)

    def _authorize(self, challenge: str, *, push: bool) -> None:
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            self._authorization = self._basic()
            return
        if scheme.lower() != "bearer":
            raise DestinationRefused(
                f"the registry asks for {scheme or 'unknown'} credentials", fix="use one that takes Bearer or Basic"
            )
        asked = dict(_CHALLENGE.findall(rest))
        realm = asked.get("realm", "")
        if not realm.startswith(f"{urlsplit(self._http.base).scheme}://") and not realm.startswith("https://"):
            raise DestinationRefused(
                "the registry wants the credentials sent without encryption", fix="use one whose token server has TLS"
            )
        params = {key: asked[key] for key in ("service", "scope") if key in asked}
        if push:
            params["scope"] = f"repository:{self.name}:pull,push"
        headers = {"Authorization": self._basic()} if self._credentials or push else {}
        answer = self._allowed(self._http.send("GET", realm, ok=(200, *_DENIED), headers=headers, params=params))
        given = self._http.read(answer, _Token)
        self._authorization = f"Bearer {given.token or given.access_token}"

    def _allowed(self, answer: httpx.Response) -> httpx.Response:
        if answer.status_code not in _DENIED:
            return answer
        raise self._http.refused(answer) if self._credentials is not None else self._unknown()

    def _basic(self) -> str:
        if self._credentials is None:
            raise self._unknown()
        return "Basic " + base64.b64encode(":".join(self._credentials).encode()).decode()

    def _unknown(self) -> CredentialsMissing:
        return CredentialsMissing(
            f"{self._http.base} asks who publishes, and the environment does not say",
            fix="set OCI_USERNAME and OCI_PASSWORD; for ghcr.io GITHUB_ACTOR and GITHUB_TOKEN will do",
        )
