"""A repository in an OCI registry, through the distribution API.

Source: https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md ; for tokens
https://distribution.github.io/distribution/spec/auth/token/.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from release.errors import CredentialsMissing, DestinationRefused
from release.publish.transport import Transport

if TYPE_CHECKING:
    import httpx

__all__ = ["Credentials", "OciRepository", "sha256"]

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
_PAGE = "1000"


def sha256(content: bytes) -> str:
    """Return the digest of ``content`` as registries write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class OciRepository:
    """One repository: ``HOST[:PORT]/NAME``; plain HTTP is spoken only with this machine."""

    def __init__(self, http: Transport, address: str, credentials: Credentials | None) -> None:
        host, _, self.name = address.partition("/")
        self._http = http
        self._base = f"{'http' if _LOCAL.fullmatch(host) else 'https'}://{host}"
        self._credentials = credentials
        self._authorization: str | None = None

    def blob(self, digest: str) -> str | None:
        """Return ``digest`` when the repository has that blob."""
        answer = self._send("HEAD", self._url("blobs", digest))
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Transport.refusal(answer, f"looking for the blob {digest}")
        return digest

    def put_blob(self, content: bytes) -> None:
        """Upload ``content`` as one blob (POST, then PUT)."""
        what = f"uploading a blob to {self.name}"
        started = self._send("POST", f"{self._base}/v2/{self.name}/blobs/uploads/", push=True)
        if started.status_code != 202:
            raise Transport.refusal(started, what)
        location = urljoin(str(started.request.url), started.headers.get("Location", ""))
        done = self._send(
            "PUT",
            location + ("&" if "?" in location else "?") + f"digest={sha256(content)}",
            push=True,
            content=content,
            headers={"Content-Type": "application/octet-stream"},
        )
        if done.status_code != 201:
            raise Transport.refusal(done, what)

    def digest(self, reference: str) -> str | None:
        """Return the digest of the manifest that the tag or digest ``reference`` leads to, ``None`` without one."""
        answer = self._send("HEAD", self._url("manifests", reference), headers={"Accept": _MANIFESTS})
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Transport.refusal(answer, f"looking for {self.name}:{reference}")
        said: str | None = answer.headers.get("Docker-Content-Digest")
        if said is None:
            found = self.manifest(reference)
            return sha256(found[0]) if found is not None else None
        return said

    def manifest(self, reference: str) -> tuple[bytes, str] | None:
        """Return the bytes of a manifest and their media type.

        Raises:
            DestinationRefused: ``reference`` is a digest and the bytes are others.
        """
        answer = self._send("GET", self._url("manifests", reference), headers={"Accept": _MANIFESTS})
        if answer.status_code == 404:
            return None
        if answer.status_code != 200:
            raise Transport.refusal(answer, f"reading {self.name}@{reference}")
        if ":" in reference and sha256(answer.content) != reference:
            raise DestinationRefused(
                f"the registry gives {sha256(answer.content)} for {self.name}@{reference}",
                fix="do not use this registry before its operators have looked at it",
            )
        return answer.content, answer.headers.get("Content-Type", "")

    def put_manifest(self, reference: str, content: bytes, media_type: str) -> None:
        """Put the manifest ``content`` under the tag ``reference``."""
        answer = self._send(
            "PUT",
            self._url("manifests", reference),
            push=True,
            content=content,
            headers={"Content-Type": media_type},
        )
        if answer.status_code != 201:
            raise Transport.refusal(answer, f"pushing {self.name}:{reference}")

    def tags(self) -> frozenset[str]:
        """Return all tags; an empty set where there is no such repository yet."""
        found: set[str] = set()
        url = f"{self._base}/v2/{self.name}/tags/list?n={_PAGE}"
        while url:
            answer = self._send("GET", url)
            if answer.status_code == 404:
                return frozenset(found)
            if answer.status_code != 200:
                raise Transport.refusal(answer, f"listing the tags of {self.name}")
            found.update(answer.json().get("tags") or ())
            following = answer.links.get("next", {}).get("url")
            url = urljoin(url, following) if following else ""
        return frozenset(found)

    def _url(self, kind: str, reference: str) -> str:
        return f"{self._base}/v2/{self.name}/{kind}/{reference}"

    def _send(
        self,
        method: str,
        url: str,
        *,
        push: bool = False,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request, and once more with credentials when the registry asks for them."""
        for attempt in range(2):
            # An upload's address may be another host's, which must not get the registry's credentials.
            ours = urlsplit(url).netloc == urlsplit(self._base).netloc
            authorization = {"Authorization": self._authorization} if self._authorization and ours else {}
            answer = self._http.send(method, url, headers={**(headers or {}), **authorization}, content=content)
            if answer.status_code != 401 or attempt or not ours:
                break
            self._authorize(answer.headers.get("WWW-Authenticate", ""), push=push)
        if answer.status_code in (401, 403) and self._credentials is None:
            raise self._unknown()
        return answer

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
        if not realm.startswith(f"{urlsplit(self._base).scheme}://") and not realm.startswith("https://"):
            raise DestinationRefused(
                "the registry wants the credentials sent without encryption", fix="use one whose token server has TLS"
            )
        params = {key: asked[key] for key in ("service", "scope") if key in asked}
        if push:
            params["scope"] = f"repository:{self.name}:pull,push"
        headers = {"Authorization": self._basic()} if self._credentials or push else {}
        answer = self._http.send("GET", realm, headers=headers, params=params)
        if answer.status_code in (401, 403) and self._credentials is None:
            raise self._unknown()
        if answer.status_code != 200:
            raise Transport.refusal(answer, "asking for a token")
        data = answer.json()
        self._authorization = f"Bearer {data.get('token') or data.get('access_token')}"

    def _basic(self) -> str:
        if self._credentials is None:
            raise self._unknown()
        return "Basic " + base64.b64encode(":".join(self._credentials).encode()).decode()

    def _unknown(self) -> CredentialsMissing:
        return CredentialsMissing(
            f"{self._base} asks who publishes, and the environment does not say",
            fix="set OCI_USERNAME and OCI_PASSWORD; for ghcr.io GITHUB_ACTOR and GITHUB_TOKEN will do",
        )
