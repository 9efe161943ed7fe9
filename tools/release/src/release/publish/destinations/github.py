"""A release on GitHub, with the files as its assets.

A draft first, then the files, then published: a run that is killed in between leaves nothing that people can see, and
a release that is published is never changed. Source: https://docs.github.com/en/rest/releases
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from release.errors import DestinationDiffers, DestinationRefused
from release.model.version import Version, parse_version
from release.publish.destination import Access, Artifact, Grant, Released, Step
from release.web.http import settle

if TYPE_CHECKING:
    from release.web.github import GitHubApi, Release

__all__ = ["GitHubReleases"]

_NAME = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*(?<!\.)")
"""Names of files that GitHub keeps as they are."""
_LONGEST_NOTES = 120_000
"""Characters of notes; GitHub takes 125,000."""


@dataclass(frozen=True, slots=True)
class GitHubReleases:
    """Publishes to GitHub releases."""

    name: ClassVar[str] = "github"
    options: ClassVar[Mapping[str, bool]] = {"repository": False, "latest": False}
    secrets: ClassVar[Mapping[str, str]] = {"GITHUB_TOKEN": "the token of the job", "GH_TOKEN": "the same"}

    sleep: Callable[[float], None] = time.sleep

    def access(self, options: Mapping[str, str]) -> Access:  # noqa: ARG002
        """Return the permission to make a release; a workflow has its GITHUB_TOKEN without a secret."""
        return Access(grants=(Grant("contents", "write", "make the release on GitHub"),))

    def steps(self, release: Released, options: Mapping[str, str], environment: Mapping[str, str]) -> Iterable[Step]:
        """Return the steps; see :class:`~release.publish.destination.DestinationKind`.

        ``repository`` (OWNER/NAME) is GITHUB_REPOSITORY where it is left out; ``latest`` names the one component
        whose newest final release GitHub shows as the latest.

        Raises:
            CredentialsMissing: there is no GITHUB_TOKEN.
            DestinationRefused: a file's name is not one that GitHub keeps.
        """
        from release.web.github import github_api

        for artifact in release.artifacts:
            if not _NAME.fullmatch(artifact.name):
                raise DestinationRefused(
                    f"GitHub would give the file {artifact.name!r} another name",
                    fix="name it with letters, digits, dots, hyphens, underscores and plus signs",
                )
        api = github_api(environment, options.get("repository"), sleep=self.sleep)
        return _Publication(api, release, options.get("latest") == release.component.name).steps()


@dataclass(slots=True)
class _Publication:
    """One release on its way; ``number`` is the id of the release on GitHub, once it is known."""

    api: GitHubApi
    wanted: Released
    to_be_latest: bool
    number: int | None = field(default=None)

    def steps(self) -> Iterable[Step]:
        tag = self.wanted.tag
        yield Step(f"tag {tag} on GitHub", self.wanted.commit, lambda: self.api.tagged_commit(tag), self._no_tag)
        yield Step(f"release {tag} on GitHub", "there", self._look, self._draft)
        for artifact in self.wanted.artifacts:
            yield self._file(artifact)
        yield Step(f"release {tag} published on GitHub", "published", self._state, self._publish, moves=True)

    def _file(self, artifact: Artifact) -> Step:
        return Step(
            f"{artifact.name} in release {self.wanted.tag} on GitHub",
            f"sha256:{artifact.sha256}",
            lambda: self._digest(artifact.name),
            lambda: self._upload(artifact),
        )

    def _no_tag(self) -> None:
        raise DestinationRefused(
            f"GitHub has no tag {self.wanted.tag}, and publishing makes none",
            fix="push it: release tag --restore --push",
        )

    def _find(self) -> Release | None:
        """Return the release of the tag: the published one, or the oldest draft.

        A draft that was just made may be missing in the list, so it is asked for by its id.
        """
        if self.number is not None:
            known = self.api.release(self.number)
            if known is not None:
                return known
        found = [one for one in self.api.releases() if one.tag_name == self.wanted.tag]
        chosen = min(found, key=lambda one: (one.draft, one.id), default=None)
        self.number = chosen.id if chosen is not None else None
        return chosen

    def _look(self) -> str | None:
        return "there" if self._find() is not None else None

    def _state(self) -> str | None:
        found = self._find()
        return None if found is None else "draft" if found.draft else "published"

    def _draft(self) -> None:
        def make() -> None:
            made = self.api.create_draft(self.wanted.tag, name=self._title(), prerelease=self._prerelease())
            self.number = None
            chosen = self._find()
            if chosen is None:
                self.number = made.id
            elif chosen.id != made.id:
                self.api.delete_release(made.id)

        settle(lambda: self._find() is not None, make, sleep=self.api.http.sleep)

    def _digest(self, name: str) -> str | None:
        """Return the digest of the file ``name`` that is there; what a broken upload left is nothing."""
        found = self._find()
        if found is None:
            return None
        for asset in self.api.assets(found.id):
            if asset.name == name and asset.state == "uploaded":
                if asset.digest is not None:
                    return asset.digest
                digest = self.api.asset_sha256(asset.id)
                return f"sha256:{digest}" if digest is not None else None
        return None

    def _upload(self, artifact: Artifact) -> None:
        found = self._existing()
        if not found.draft:
            raise DestinationDiffers(
                f"the release {found.tag_name} on GitHub is published without {artifact.name}; a published release is "
                "not changed",
                fix="release a new version",
            )

        def send() -> None:
            for asset in self.api.assets(found.id):
                if asset.name == artifact.name and asset.state != "uploaded":
                    self.api.delete_asset(asset.id)
            self.api.upload(found, artifact.name, artifact.path, artifact.media_type)

        settle(lambda: self._digest(artifact.name) is not None, send, sleep=self.api.http.sleep)

    def _publish(self) -> None:
        found = self._existing()
        ours = {artifact.name for artifact in self.wanted.artifacts}
        foreign = sorted(asset.name for asset in self.api.assets(found.id) if asset.name not in ours)
        if foreign:
            raise DestinationDiffers(
                f"the draft of {found.tag_name} on GitHub has files that are not of this release: "
                f"{', '.join(foreign[:5])}",
                fix="delete them, or the draft, on GitHub; then run it again",
            )
        self.api.publish(
            found.id, name=self._title(), body=self._notes(), prerelease=self._prerelease(), latest=self._is_latest()
        )

    def _existing(self) -> Release:
        found = self._find()
        if found is None:
            raise DestinationRefused(
                f"the draft of {self.wanted.tag} on GitHub is gone", fix="run it again; nothing is lost"
            )
        return found

    def _is_latest(self) -> bool:
        """Tell whether this is the newest final version of the component that GitHub is to show as the latest."""
        version = self.wanted.version
        if not self.to_be_latest or version.prerelease:
            return False
        before, _, after = self.wanted.tag.rpartition(str(version))
        published = [one.tag_name for one in self.api.releases() if not one.draft]
        others = [_version(tag[len(before) : len(tag) - len(after)]) for tag in published if tag.startswith(before)]
        return all(other is None or other.prerelease or other <= version for other in others)

    def _prerelease(self) -> bool:
        return bool(self.wanted.version.prerelease)

    def _title(self) -> str:
        return f"{self.wanted.component.name} {self.wanted.version}"

    def _notes(self) -> str:
        notes = self.wanted.notes
        if len(notes) <= _LONGEST_NOTES:
            return notes
        return f"{notes[:_LONGEST_NOTES].rpartition(chr(10))[0]}\n\n(cut; see {self.wanted.component.changelog})\n"


def _version(text: str) -> Version | None:
    try:
        return parse_version(text)
    except ValueError:
        return None
