"""Where git is set up to sign, the release commit and its tags are signed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from landing.stage import STEPS, TAGS, Stage, git


@pytest.fixture
def signing(stage: Stage) -> Stage:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("there is no ssh-keygen to sign with")
    key = stage.folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", str(key)], check=True)
    (stage.folder / "allowed").write_text(f"ada@example.org {key.with_suffix('.pub').read_text()}")
    for name, value in (
        ("gpg.format", "ssh"),
        ("user.signingKey", str(key)),
        ("commit.gpgSign", "true"),
        ("tag.gpgSign", "true"),
        ("gpg.ssh.allowedSignersFile", str(stage.folder / "allowed")),
    ):
        git(stage.work, "config", name, value)
    return stage


def test_the_commit_and_the_tags_are_signed(signing: Stage) -> None:
    assert signing.release() is not None
    git(signing.work, "verify-commit", "HEAD")
    for tag in TAGS:
        git(signing.work, "verify-tag", tag)


def test_a_killed_release_is_finished_with_the_commit_that_was_signed_already(signing: Stage) -> None:
    signing.start(fatal=STEPS.index("branch")).communicate(timeout=60)
    signed = git(signing.work, "rev-parse", f"{TAGS[0]}^{{commit}}")
    signing.release()
    assert git(signing.origin, "rev-parse", "main") == signed
    git(signing.work, "verify-commit", signed)


def test_without_the_key_nothing_is_released(signing: Stage) -> None:
    (signing.folder / "key").unlink()
    before = signing.state()
    process = signing.start()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 7
    assert "git refused the release commit" in err
    assert signing.state() == before


def test_tags_are_signed_where_git_signs_all_annotated_tags(signing: Stage) -> None:
    git(signing.work, "config", "--unset", "tag.gpgSign")
    git(signing.work, "config", "tag.forceSignAnnotated", "true")
    assert signing.release() is not None
    for tag in TAGS:
        git(signing.work, "verify-tag", tag)
