"""What an image says of its base."""

from __future__ import annotations

import pytest

from release.images.labels import labels
from release.images.lock import BaseInput, Inputs

_BASE = "org.opencontainers.image.base"
_DIGEST = f"sha256:{'1' * 64}"


def _of(base: BaseInput, *platforms: str) -> dict[str, str]:
    inputs = Inputs(
        name="over", version="1.0.0", commit="0" * 40, time=0, base=base, moodle=None, parts=(), context="sha256:2",
        platforms=platforms or ("linux/amd64",),
    )  # fmt: skip
    return {name: value for name, value in labels(inputs, None).items() if name.startswith(_BASE)}


@pytest.mark.parametrize("folder", ["mono", "another-clone"])
def test_a_base_that_is_only_here_is_called_the_same_in_every_clone_and_has_its_digest(folder: str) -> None:
    base = BaseInput(image=f"localhost/{folder}/tiny:1.0.0", digest=_DIGEST)
    assert _of(base) == {f"{_BASE}.name": "localhost/tiny:1.0.0", f"{_BASE}.digest": _DIGEST}


def test_an_image_for_several_platforms_has_a_digest_only_of_a_base_that_a_registry_has() -> None:
    here = BaseInput(image="localhost/mono/tiny:1.0.0", digest=_DIGEST)
    assert f"{_BASE}.digest" not in _of(here, "linux/amd64", "linux/arm64")
    there = BaseInput(image=f"docker.io/library/debian:trixie-slim@{_DIGEST}")
    assert _of(there, "linux/amd64", "linux/arm64") == {
        f"{_BASE}.name": "docker.io/library/debian:trixie-slim",
        f"{_BASE}.digest": _DIGEST,
    }
