"""A real stack, with either driver; its site is the small application of the image's tests, or a real Moodle."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from release.stack.drivers import compose
from stacks import address, get, get_signed, running_stack


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a stack, what its first start said, and the driver that started it."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack, stack.up(), "compose" if compose.installed() else "sdk"


def test_every_service_is_well_after_the_first_start(started: Any) -> None:
    stack, said, driver = started
    rows = {row["service"]: row for row in stack.run("status", "--json").json["services"]}
    assert said["driver"] == driver
    assert {name for name, row in rows.items() if row["state"] == "healthy"} == {
        "database", "cache", "mail", "s3", "web", "cron", "adhoc",
    }  # fmt: skip
    assert {name for name, row in rows.items() if row["state"] == "done"} >= {"install", "upgrade"}
    status, body = get(f"{address(said, 'site')}/readyz")
    assert (status, json.loads(body)["status"]) == (200, "ok")


def test_nothing_listens_beyond_this_machine(started: Any) -> None:
    stack, _, _ = started
    bindings = [
        binding
        for container in stack.containers().values()
        for given in (container.attrs["NetworkSettings"]["Ports"] or {}).values()
        for binding in given or ()
    ]
    assert {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


def test_no_secret_is_in_what_the_engine_tells_of_containers(started: Any) -> None:
    stack, _, _ = started
    secrets = [
        (stack.root / ".stack/secrets" / name).read_text()
        for name in ("admin-password", "database-password", "s3-secret-key")
    ]
    told = json.dumps([container.attrs for container in stack.containers().values()])
    assert not [secret for secret in secrets if secret in told]


def test_mail_is_caught(started: Any) -> None:
    stack, said, _ = started
    stack.sh("web", "php -r '" + _MAIL + "'")
    status, body = get(f"{address(said, 'caught mail')}/api/v1/messages")
    assert status == 200
    assert "A letter" in [message["Subject"] for message in json.loads(body)["messages"]]


_MAIL = """
$s = fsockopen("mail", 1025);
$lines = ["HELO web", "MAIL FROM:<a@example.com>", "RCPT TO:<b@example.com>", "DATA", "Subject: A letter", "QUIT"];
foreach ($lines as $line) {
    fgets($s);
    fwrite($s, str_starts_with($line, "Subject") ? "$line\\r\\n\\r\\nText\\r\\n.\\r\\n" : "$line\\r\\n");
}
fgets($s);
"""


def test_the_s3_server_lets_nobody_in_without_a_signature(started: Any) -> None:
    _, said, _ = started
    assert get(f"{address(said, 'S3')}/moodle")[0] == 403


def test_the_bucket_is_there_for_who_has_the_keys_that_are_printed(started: Any) -> None:
    _, said, _ = started
    one = next(one for one in said["reached"] if one["what"].startswith("S3"))
    status, body = get_signed(f"{one['address']}/moodle?list-type=2", one["user"], one["password"])
    assert status == 200
    assert b"<Name>moodle</Name>" in body
    assert get_signed(f"{one['address']}/moodle?list-type=2", one["user"], "another")[0] == 403


def test_a_second_start_changes_no_container_that_runs_and_loses_nothing(started: Any) -> None:
    stack, said, driver = started
    stack.sh("web", "echo kept > /var/moodledata/letter")
    before = {name: (one.id, one.attrs["State"]["StartedAt"]) for name, one in stack.containers().items()}
    again = stack.up("--driver", driver)
    after = {name: (one.id, one.attrs["State"]["StartedAt"]) for name, one in stack.containers().items()}
    lasting = {"database", "cache", "mail", "s3", "web", "cron", "adhoc"}
    assert {name: after[name] for name in lasting} == {name: before[name] for name in lasting}
    assert again == said
    assert stack.sh("web", "cat /var/moodledata/letter") == "kept\n"


def test_a_change_of_one_service_makes_only_its_container_anew(started: Any) -> None:
    stack, _, driver = started
    config = stack.root / "release.yaml"
    text = config.read_text()
    config.write_text(text.replace('"moodle": "moodle"', '"moodle": "moodle", "environment": {"MOODLE_LANG": "de"}'))
    before = {name: one.id for name, one in stack.containers().items()}
    stack.up("--driver", driver)
    after = {name: one.id for name, one in stack.containers().items()}
    assert {name for name in before if before[name] == after[name]} == {"database", "cache", "mail", "s3"}
    assert "de" in stack.sh("web", "echo $MOODLE_LANG")
    config.write_text(text)


def test_the_other_driver_takes_over_with_all_data(started: Any) -> None:
    stack, _, driver = started
    if driver != "compose":
        pytest.skip("Compose v2 isn't here")
    stack.sh("web", "echo kept > /var/moodledata/over")
    stack.up("--driver", "sdk")
    assert stack.sh("web", "cat /var/moodledata/over") == "kept\n"
    assert stack.run("status").code == 0
    before = {name: one.id for name, one in stack.containers().items()}
    stack.up("--driver", "sdk")
    assert {name: one.id for name, one in stack.containers().items()} == before
    stack.up("--driver", driver)
    assert stack.sh("web", "cat /var/moodledata/over") == "kept\n"


def test_plugins_are_live_and_cannot_be_written_from_within(started: Any) -> None:
    stack, _, _ = started
    plugin = stack.root / "plugins/local_accel"
    (plugin / "live.txt").write_text("now\n")
    assert stack.sh("web", "cat public/local/accel/live.txt") == "now\n"
    assert stack.run("shell", "web", "--", "sh", "-c", "touch public/local/accel/live.txt").code != 0


def test_logs_are_those_of_the_service(started: Any) -> None:
    stack, _, _ = started
    assert re.search(r"ready|listening|Ready", stack.run("logs", "database").ok().out)
    refused = stack.run("logs", "nothing")
    assert refused.code == 28
    assert "database" in refused.err


def test_without_a_yes_reset_deletes_nothing(started: Any) -> None:
    stack, _, _ = started
    before = stack.volumes()
    assert before >= {"database-pgsql", "moodledata-pgsql", "mail", "s3"}
    assert stack.run("reset").code != 0
    assert stack.volumes() == before
    assert stack.run("status").code == 0


def test_data_outlives_down(started: Any) -> None:
    stack, _, driver = started
    stack.sh("web", "echo kept > /var/moodledata/down")
    stack.run("down").ok()
    assert stack.containers() == {}
    stack.up("--driver", driver)
    assert stack.sh("web", "cat /var/moodledata/down") == "kept\n"


def test_each_database_keeps_its_own_site(started: Any) -> None:
    stack, _, driver = started
    stack.sh("web", "echo pgsql > /var/moodledata/which")
    stack.up("--driver", driver, "--database", "mariadb")
    assert stack.run("shell", "web", "--", "cat", "/var/moodledata/which").code != 0
    stack.up("--driver", driver)
    assert stack.sh("web", "cat /var/moodledata/which") == "pgsql\n"


def test_a_service_that_does_not_start_is_named_with_what_it_said(started: Any) -> None:
    stack, _, driver = started
    config = stack.root / "release.yaml"
    text = config.read_text()
    config.write_text(
        text.replace('"moodle": "moodle"', '"moodle": "moodle", "environment": {"MOODLE_DB_TYPE": "oracle"}')
    )
    failed = stack.run("up", "--no-seed", "--driver", driver)
    config.write_text(text)
    assert failed.code == 28
    assert "the service install is exited with" in failed.err
    assert "MOODLE_DB_TYPE" in failed.err
    stack.up("--driver", driver)


def test_a_taken_port_is_moved_and_said(started: Any) -> None:
    stack, said, driver = started
    stack.run("down").ok()
    port = int(address(said, "site").rpartition(":")[2])
    with socket.create_server(("127.0.0.1", port)):
        moved = stack.up("--driver", driver)
    (web,) = (one for one in moved["moved"] if one["service"] == "web")
    assert web["given"] == int(address(moved, "site").rpartition(":")[2]) != port
    assert address(moved, "caught mail") == address(said, "caught mail")
    assert get(f"{address(moved, 'site')}/livez")[0] == 200


def test_without_its_folder_the_data_of_a_stack_is_not_touched_but_can_be_deleted(started: Any) -> None:
    stack, _, _ = started
    (stack.root / ".stack").rename(stack.root / ".elsewhere")
    try:
        refused = stack.run("up", "--no-seed")
        assert refused.code == 28
        assert "passwords is gone" in refused.err
        assert stack.run("status").code == 0
    finally:
        (stack.root / ".elsewhere").rename(stack.root / ".stack")


def test_another_clone_of_that_name_touches_nothing(started: Any, tmp_path: Path) -> None:
    stack, _, _ = started
    other = replace(stack, root=tmp_path / "other")
    subprocess.run(["git", "clone", "-q", str(stack.root), str(other.root)], check=True)
    shutil.copy(stack.root / "release.yaml", other.root)
    for command in (("up", "--no-seed"), ("down",), ("reset", "--yes")):
        refused = other.run(*command)
        assert refused.code == 28
        assert "another project is called" in refused.err
    assert stack.run("status").code == 0


def test_what_plain_compose_starts_is_the_stack_s(started: Any) -> None:
    stack, _, driver = started
    if driver != "compose":
        pytest.skip("Compose v2 isn't here")
    stack.run("down").ok()
    file = stack.root / "compose.yaml"
    stack.run("generate").ok()
    command = ["docker", "compose", "--file", str(file), "up", "--detach", "--no-deps", "cache"]
    cache = next(line for line in stack.images.read_text().splitlines() if line.startswith("cache: "))
    text = re.sub(r"docker.io/valkey/\S+", cache.removeprefix("cache: "), file.read_text())
    file.write_text(text)
    subprocess.run(command, check=True, cwd=stack.root, capture_output=True)
    assert stack.run("shell", "cache", "--", "valkey-cli", "ping").ok().out == "PONG\n"
    stack.run("down").ok()
    assert stack.containers() == {}
    stack.up("--driver", driver)


def test_reset_deletes_all(started: Any) -> None:
    stack, _, driver = started
    stack.run("reset", "--yes").ok()
    assert stack.containers() == {}
    assert stack.volumes() == set()
    stack.up("--driver", driver)
    assert stack.run("shell", "web", "--", "cat", "/var/moodledata/down").code != 0
