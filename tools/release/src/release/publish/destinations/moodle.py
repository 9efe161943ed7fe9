"""The Moodle plugins directory, which is Moodle Marketplace since July 2026.

Sources: https://moodledev.io/general/community/plugincontribution/moodlemarketplaceapi and the pages below
https://moodledev.io/general/community/plugincontribution/marketplace-api/
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar
from urllib.parse import quote

import msgspec

from release.errors import ConfigError, CredentialsMissing, DestinationRefused, PackageRefused
from release.publish.destination import Access, Artifact, Released, Step
from release.web.http import Http, settle

__all__ = ["MoodleDirectory"]

_SECRET = "MOODLE_MARKETPLACE_TOKEN"
_ADVICE = {
    401: f"{_SECRET} is not valid, or no more: make a token at https://marketplace.moodle.com/account/security",
    402: "the account of the token must be a maintainer of the plugin",
    403: "the account of the token must be a maintainer of the plugin",
    404: "the first version of a plugin is submitted by hand: https://marketplace.moodle.com",
    409: "the plugin's state there takes no new versions: see its page there",
    422: "mend what it names; where it has this build number already but does not show the file while it checks it, "
    "run it again later",
}
_HIDDEN = (403, 404)
"""How the directory answers for a version that is not there, or not to be seen yet."""


class _Created(msgspec.Struct):
    id: int
    version: str


@dataclass(frozen=True, slots=True)
class MoodleDirectory:
    """Offers plugins to the plugins directory, which checks them before it shows them."""

    name: ClassVar[str] = "moodle"
    options: ClassVar[Mapping[str, bool]] = {"url": False, "repository-url": False}
    secrets: ClassVar[Mapping[str, str]] = {_SECRET: "a maintainer's API token of Moodle Marketplace"}

    sleep: Callable[[float], None] = time.sleep

    def access(self, options: Mapping[str, str]) -> Access:  # noqa: ARG002
        """Return the secret; nothing of GitHub is needed."""
        return Access(secrets=self.secrets)

    def steps(self, release: Released, options: Mapping[str, str], environment: Mapping[str, str]) -> Iterable[Step]:
        """Return the one step; see :class:`~release.publish.destination.DestinationKind`.

        ``url`` is another address of the API, ``repository-url`` the address of the source that the directory shows
        (GITHUB_SERVER_URL and GITHUB_REPOSITORY where it is left out).

        Raises:
            ConfigError: the component is no plugin.
            PackageRefused: it has no build number, or is not one zip file.
            CredentialsMissing: there is no token.
        """
        component = release.component
        if component.kind != "plugin":
            raise ConfigError(
                f"{component.name} is a {component.kind}; only plugins are offered to the plugins directory",
                fix="take the destination out of `publish.kinds` for it",
            )
        zips = [artifact for artifact in release.artifacts if artifact.name.endswith(".zip")]
        if component.build is None or len(zips) != 1:
            raise PackageRefused(
                f"{component.name} {release.version} has {'no build number' if component.build is None else ''}"
                f"{f'{len(zips)} zip files' if component.build is not None else ''}; the directory takes one zip file "
                "with $plugin->version",
                fix="package it again: release package",
            )
        token = environment.get(_SECRET) or ""
        if not token:
            raise CredentialsMissing(
                f"{_SECRET} is not set, so nothing can be offered to the plugins directory",
                fix=f"give the step the environment variable {_SECRET}; a maintainer makes it at "
                "https://marketplace.moodle.com/account/security",
            )
        base = options.get("url", "https://marketplace.moodle.com/api").rstrip("/")
        http = Http("the plugins directory", base, {"Authorization": f"Bearer {token}"}, token, _ADVICE, self.sleep)
        source = options.get("repository-url") or _source(environment)
        return [_Offer(http, release, zips[0], component.build, source).step()]


@dataclass(slots=True)
class _Offer:
    """One version on its way; ``taken`` is the digest of the file that the directory has taken and may not show yet."""

    http: Http
    release: Released
    zip: Artifact
    build: int
    source: str
    taken: str | None = field(default=None)

    def step(self) -> Step:
        name = self.release.component.native
        return Step(f"{name} {self.build} in the plugins directory", self.zip.sha256, self._look, self._submit)

    def _look(self) -> str | None:
        return self.http.sha256(f"{self._versions()}/{self.build}/download", absent=_HIDDEN) or self.taken

    def _submit(self) -> None:
        form = {"releaseNotes": self.release.notes, "vcsTag": self.release.tag}
        if self.source:
            form["vcsRepositoryUrl"] = self.source

        def send() -> None:
            file = ("file", self.zip.path, "application/zip")
            answer = self.http.send("POST", self._versions(), ok=(201,), form=form, file=file)
            created = self.http.read(answer, _Created)
            if created.version != str(self.build):
                raise DestinationRefused(
                    f"the plugins directory read the build number {created.version} out of {self.zip.name}, "
                    f"not {self.build}",
                    fix="package it again: release package",
                )
            self.taken = self.zip.sha256

        settle(lambda: self._look() is not None, send, sleep=self.http.sleep)

    def _versions(self) -> str:
        return f"/plugins/{quote(self.release.component.native, safe='')}/versions"


def _source(environment: Mapping[str, str]) -> str:
    server, repository = environment.get("GITHUB_SERVER_URL"), environment.get("GITHUB_REPOSITORY")
    return f"{server}/{repository}" if server and repository else ""
