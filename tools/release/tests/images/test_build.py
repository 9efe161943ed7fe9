"""Images built for real: by BuildKit and by the engine's own builder, the same twice, and nothing half-made."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from uuid import uuid4

import pytest

from engines import builder, engine, tags, with_engine
from scratch import Scratch
from small_moodle import DOCKERFILE, image_repository, moodle_folder

SLOW = DOCKERFILE.replace("RUN find", "RUN sleep 15; find")


def lock_of(scratch: Scratch, name: str) -> dict[str, object]:
    found: dict[str, object] = json.loads((scratch.path / f"dist/images/{name}/image.lock.json").read_bytes())
    return found


def test_the_same_inputs_give_the_same_digest_with_a_full_cache_and_an_empty_one(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolsame")
    options = ("image", "build", "over", "--builder", builder())
    with with_engine(scratch) as client:
        scratch.run(*options).ok()
        # The layers of the commit before are in the cache now, with its dates.
        scratch.commit("feat(over): more", {"images/over/rootfs/etc/more": "more\n", "images/tiny/rootfs/etc/a": "a\n"})
        first = scratch.run(*options).ok()
        record = lock_of(scratch, "over")
        second = scratch.run(*options, "--no-cache").ok()
        assert second.out == first.out
        assert lock_of(scratch, "over") == record
        image = client.images.get("localhost/toolsame/over:0.2.0")
        labels = image.labels
        assert labels["org.opencontainers.image.base.name"] == "localhost/tiny:0.1.0"
        (below,) = json.loads((scratch.path / "dist/images/tiny/image.lock.json").read_bytes())["results"]
        assert labels["org.opencontainers.image.base.digest"] == below["manifest"]
        assert labels["org.opencontainers.image.revision"] == scratch.git("rev-parse", "HEAD")
        assert client.containers.run(image, "cat /etc/tiny /etc/over /etc/more", remove=True) == b"tiny\nover\nmore\n"


def test_moodle_and_its_plugins_are_in_the_image_with_their_digests_as_labels(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolmoodle")
    folder = moodle_folder(tmp_path / "moodle")
    with with_engine(scratch) as client:
        done = scratch.run("image", "build", "site", "--json", "--moodle", str(folder), "--builder", builder()).ok()
        labels = client.images.get("localhost/toolmoodle/site:1.0.0").labels
        (one,) = done.json["images"]
        assert labels["release.component.moodle.digest"] == one["inputs"]["moodle"]["digest"]
        assert labels["release.component.plugin.local_hello.version"] == "1.0.0"
        (weight,) = scratch.run("image", "size", "site", "--json").ok().json["images"]
        assert 0 < weight["moodle"] < weight["bytes"]


def test_the_engine_builds_itself_where_there_is_no_buildkit(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolclassic")
    with with_engine(scratch) as client:
        scratch.environment["PATH"] = _path_without_docker(scratch, tmp_path)
        scratch.run("image", "build", "over").ok()
        assert lock_of(scratch, "over")["builder"] == "engine"
        assert client.images.get("localhost/toolclassic/over:0.2.0").labels["org.opencontainers.image.title"] == "over"
        done = scratch.run("image", "push", "over", "--to", "127.0.0.1:9/over", "--key", "no.key")
        assert done.code == 17
        assert "makes no provenance" in done.err


def _path_without_docker(scratch: Scratch, tmp_path: Path) -> str:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "env", "sh"):
        (folder / name).symlink_to(next(Path(part) / name for part in scratch.environment["PATH"].split(":")
                                        if (Path(part) / name).exists()))  # fmt: skip
    return str(folder)


@pytest.mark.parametrize("by", ["buildkit", "engine"])
def test_a_failing_instruction_is_named_with_its_last_lines_and_leaves_no_tag(tmp_path: Path, by: str) -> None:
    broken = DOCKERFILE.replace("RUN find", "RUN echo one more line; echo it is broken >&2; exit 7; find")
    scratch = image_repository(tmp_path / f"toolfails{by}", {"images/tiny/Dockerfile": broken})
    with with_engine(scratch) as client:
        if by == "engine":
            scratch.environment["PATH"] = _path_without_docker(scratch, tmp_path)
        else:
            scratch.environment["BUILDX_BUILDER"] = builder()
        done = scratch.run("image", "build", "tiny", "over", "--json")
        assert done.code == 17
        assert "RUN echo one more line" in done.err
        assert "one more line" in done.err.partition("RUN echo one more line")[2]
        assert "it is broken" in done.err.partition("exit 7")[2]
        assert "images/tiny/Dockerfile" in done.err
        assert done.json["error"]["kind"] == "build-failed"
        assert tags(client, scratch) == []
        assert not list((scratch.path / "dist").rglob("image.lock.json"))
        assert not list((scratch.path / "dist").rglob(".new-*"))


def test_a_full_disk_says_what_to_do(tmp_path: Path) -> None:
    full = DOCKERFILE.replace("RUN find", "RUN echo 'write /x: No space left on device' >&2; exit 1; find")
    scratch = image_repository(tmp_path / "toolfull", {"images/tiny/Dockerfile": full})
    with with_engine(scratch):
        done = scratch.run("image", "build", "tiny", "--builder", builder())
    assert done.code == 17
    assert "fix free space" in done.err


def test_a_dockerfile_that_is_none_is_an_error_at_its_line(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolbad", {"images/tiny/Dockerfile": "FROM scratch\nNOPE x\n"})
    with with_engine(scratch):
        done = scratch.run("image", "build", "tiny", "--builder", builder())
    assert done.code == 17
    assert "images/tiny/Dockerfile:2" in done.err


def test_two_builds_of_one_image_at_once_are_refused(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "tooltwice", {"images/tiny/Dockerfile": SLOW})
    with with_engine(scratch):
        scratch.environment["BUILDX_BUILDER"] = builder()
        first = scratch.start("image", "build", "tiny", "--no-cache")
        holder = scratch.path / ".git/release/build-of-the-image-tiny.holder.json"
        pause = threading.Event()
        while first.poll() is None and not holder.exists():
            pause.wait(0.05)
        done = scratch.run("image", "build", "tiny")
        out, err = first.communicate()
        assert first.returncode == 0, err
    assert done.code == 9
    assert "another build of the image tiny is under way" in done.err
    assert b"localhost/tooltwice/tiny:0.1.0" in out


def test_an_engine_that_does_not_answer_and_a_builder_that_is_not_there_are_errors(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolno")
    scratch.environment["DOCKER_HOST"] = f"unix://{tmp_path}/no.sock"
    for command in (["build"], ["test"], ["size"]):
        done = scratch.run("image", *command, "tiny")
        assert done.code == 18
        assert "no container engine answers" in done.err
    del scratch.environment["DOCKER_HOST"]
    engine()
    with with_engine(scratch):
        done = scratch.run("image", "build", "tiny", "--builder", "no-such-builder")
    assert done.code == 18
    assert "no-such-builder" in done.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("", ""), None),
        (("USER 10001:10001", ""), "it runs as root"),
        (("USER 10001:10001", "USER nobody"), "it runs as nobody"),
        (("USER", "ENV DB_PASSWORD=hunter2\nUSER"), "DB_PASSWORD, which looks like a secret"),
        (("USER", "ENV DB_PASSWORD_FILE=/run/secrets/db\nUSER"), None),
        (("USER", "RUN chmod u+s /usr/bin/mount\nUSER"), "(setuid or setgid): /usr/bin/mount"),
        (("USER", "RUN mkdir -p /var/lib/apt/lists && echo x > /var/lib/apt/lists/y\nUSER"), "/var/lib/apt/lists/y"),
        (('CMD ["sleep", "600"]', 'CMD ["touch", "/etc/new"]'), "it writes to its root file system"),
        (('CMD ["sleep", "600"]', 'CMD ["/no/such"]'), "its command can't be run"),
        (('CMD ["sleep", "600"]', 'CMD ["sh", "-c", "touch /tmp/x && exit 1"]'), None),
    ],
)
def test_what_every_image_has_to_be_is_tried(tmp_path: Path, change: tuple[str, str], said: str | None) -> None:
    old, new = change
    assert old in DOCKERFILE
    scratch = image_repository(
        tmp_path / f"toolcontract-{uuid4().hex[:8]}",
        {"images/tiny/Dockerfile": DOCKERFILE.replace(old, new) if old else DOCKERFILE},
    )
    with with_engine(scratch):
        scratch.run("image", "build", "tiny", "--builder", builder()).ok()
        done = scratch.run("image", "test", "tiny")
    if said is None:
        assert f"passed  localhost/{scratch.path.name}/tiny:0.1.0" in done.ok().out
    else:
        assert done.code == 27
        assert said in done.err


@pytest.mark.parametrize(("body", "code"), [("assert True", 0), ("assert False", 27), ("", 27)])
def test_the_image_s_own_tests_find_its_name_and_decide(tmp_path: Path, body: str, code: int) -> None:
    name = f"toolown-{uuid4().hex[:8]}"
    test = (
        f"import os\n\n\ndef test_it():\n    assert os.environ['IMAGE'] == 'localhost/{name}/tiny:0.1.0'\n    {body}\n"
    )
    scratch = image_repository(tmp_path / name, {"images/tiny/tests/test_tiny.py": test if body else "\n"})
    with with_engine(scratch):
        scratch.run("image", "build", "tiny", "--builder", builder()).ok()
        done = scratch.run("image", "test", "tiny")
    assert done.code == code, done.err


def test_an_image_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toolnot")
    with with_engine(scratch):
        done = scratch.run("image", "test", "tiny")
    assert done.code == 27
    assert "release image build tiny" in done.err


def test_images_are_listed_with_what_is_in_them_and_whether_they_are_built(tmp_path: Path) -> None:
    scratch = image_repository(tmp_path / "toollist")
    with with_engine(scratch):
        digest = scratch.run("image", "build", "tiny", "--builder", builder()).ok().out.split()[0]
        listed = {one["name"]: one for one in scratch.run("image", "list", "--json").ok().json["images"]}
    assert listed["tiny"]["built"] == digest
    assert listed["over"]["built"] is None
    assert listed["over"]["base"] == "tiny"
    assert listed["site"]["contains"] == ["moodle", "local_hello"]
