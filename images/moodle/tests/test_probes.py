"""/livez and /readyz tell the truth, within two seconds, whatever the database does."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable

import pytest

from containers import Running, Site, Workshop, eventually

LIMIT = 2.0
OTHER = "UPDATE {}config SET value = '{}' WHERE name = '{}'"


def failed(running: Running) -> dict[str, str]:
    """Return the checks of /readyz that fail, each with its reason."""
    answer = running.get("/readyz")
    assert answer.seconds < LIMIT
    checks = answer.json()["checks"]
    found = {name: check["reason"] for name, check in checks.items() if check["status"] == "fail"}
    assert answer.status == (503 if found else 200)
    assert answer.json()["status"] == ("fail" if found else "ok")
    return found


def test_an_installed_site_is_alive_and_ready(standing: Running) -> None:
    assert standing.get("/livez").json() == {"status": "ok", "checks": {}}
    answer = standing.get("/readyz")
    assert answer.status == 200
    assert set(answer.json()["checks"]) == {"server", "database", "dataroot", "maintenance", "upgrade"}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


def test_a_container_without_http_is_asked_by_a_command(standing: Running) -> None:
    assert json.loads(standing.execute("moodle-probe", "livez")[1])["status"] == "ok"
    code, output = standing.execute("moodle-probe", "readyz")
    assert (code, json.loads(output)["status"]) == (0, "ok")
    assert standing.execute("moodle-probe", "health")[0] == 64


@pytest.mark.parametrize("kind", ["pgsql", "mariadb"])
def test_a_database_that_hangs_makes_it_unready_in_time(kind: str, site: Site, moodle: str, workshop: Workshop) -> None:
    listener = "$s = stream_socket_server('tcp://0.0.0.0:9999'); while (true) { $c[] = stream_socket_accept($s, -1); }"
    workshop.start_hardened(moodle, "cli", "php", "-r", listener, alias="hanging")
    environment = {"MOODLE_DB_TYPE": kind, "MOODLE_DB_HOST": "hanging", "MOODLE_DB_PORT": "9999"}
    running = site.web(environment, ready=False)
    eventually(lambda: "in time" in failed(running).get("database", ""))
    assert running.get("/livez").status == 200
    code, output = running.execute("moodle-probe", "readyz", stderr=False)
    assert (code, json.loads(output)["checks"]["database"]["reason"]) == (1, "does not answer in time")


def test_a_name_that_is_looked_up_for_long_makes_no_probe_hang(site: Site) -> None:
    running = site.web({"MOODLE_DB_HOST": "db.example.org"}, ready=False, dns=["192.0.2.1"])
    timed = "start=$(date +%s%N); moodle-probe readyz 2> /dev/null; echo $? $((($(date +%s%N) - start) / 1000000))"
    answer, result = running.execute("bash", "-c", timed)[1].splitlines()
    assert json.loads(answer)["status"] == "fail"
    code, milliseconds = map(int, result.split())
    assert (code, milliseconds < LIMIT * 1000) == (1, True)
    assert set(failed(running)) <= {"server", "database", "upgrade"}


def test_a_database_that_is_not_there_is_the_reason(site: Site) -> None:
    running = site.web({"MOODLE_DB_HOST": "127.0.0.1"}, ready=False)
    assert failed(running)["database"] == "does not accept a connection"
    eventually(lambda: "The database does not accept a connection" in running.get("/").text)


@pytest.mark.parametrize("kind", ["pgsql", "mariadb"])
def test_a_wrong_password_is_the_reason_and_is_not_told(kind: str, site: Site, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(kind)
    environment = {"MOODLE_DB_TYPE": kind, "MOODLE_DB_HOST": kind, "MOODLE_DB_PASSWORD": "wr0ng-password"}
    running = site.web(environment, ready=False)
    assert failed(running)["database"] == "refuses user or password"
    assert "wr0ng" not in running.logs()


def test_a_database_that_goes_and_comes_back_is_noticed_both_times(
    installed: Site, workshop: Workshop, pgsql: Running
) -> None:
    network = workshop.client.networks.get(workshop.network)
    running = installed.web()
    network.disconnect(pgsql.container)
    try:
        eventually(lambda: "database" in failed(running))
        assert running.get("/livez").status == 200
        assert running.get("/pix/icon.svg").status == 200, "what needs no database is served"
    finally:
        network.connect(pgsql.container, aliases=["pgsql"])
    eventually(lambda: not failed(running))


def test_a_mariadb_site_is_installed_and_ready(site: Site, mariadb: Running) -> None:
    assert mariadb.running()
    environment = {**site.environment, "MOODLE_DB_TYPE": "mariadb", "MOODLE_DB_HOST": "mariadb"}
    site.environment.update(environment)
    running = site.web(ready=False)
    assert failed(running)["upgrade"].startswith("Moodle is not installed")
    site.install()
    eventually(lambda: not failed(running))


@pytest.mark.parametrize("how", ["file", "setting"])
def test_maintenance_mode_is_a_reason(how: str, installed: Site, sql: Callable[[str], str]) -> None:
    running = installed.web()
    if how == "file":
        assert running.execute("touch", "/var/moodledata/climaintenance.html")[0] == 0
    else:
        sql(f"INSERT INTO {installed.tables}config VALUES ('maintenance_enabled', '1')")
    assert set(failed(running)) == {"maintenance"}
    code, output = running.execute("moodle-probe", "tasks", stderr=False)
    assert (code, "maintenance" in json.loads(output)["checks"]) == ((1, True) if how == "file" else (0, False))


def test_a_dataroot_that_can_not_be_written_is_a_reason(installed: Site) -> None:
    running = installed.start("web", ports={"8080/tcp": ("127.0.0.1", None)}, user="20001:20001", tmpfs={"/tmp": ""})
    eventually(lambda: running.get("/livez").status == 200, said=running.logs)
    assert failed(running)["dataroot"] == "/var/moodledata is not writable for user 20001"


def test_a_dataroot_of_another_site_is_a_reason(installed: Site) -> None:
    assert installed.run("cli", "moodle-probe", "readyz")[0] == 0
    empty = dataclasses.replace(installed, dataroot=installed.workshop.volume())
    reason = "it holds no files of this site: filedir is not there"
    assert reason in empty.run("cli", "moodle-probe", "readyz")[1]
    assert empty.run("cli", "mkdir", "/var/moodledata/filedir")[0] == 0
    assert empty.run("cli", "moodle-probe", "readyz")[0] == 0, "a site that was installed by other means"
    other = dataclasses.replace(empty, tables=f"o{installed.tables}")
    other.install()
    assert "the files of another site" in empty.run("cli", "moodle-probe", "readyz")[1]


def test_a_site_is_closed_until_it_is_installed_and_then_opens_by_itself(site: Site) -> None:
    running = site.web(ready=False)
    reason = "Moodle is not installed in this database: run the role install"
    assert failed(running)["upgrade"] == reason
    for path in ("/", "/login/index.php", "/pix/icon.svg", "/nowhere"):
        answer = eventually(lambda path=path: running.get(path))  # type: ignore[misc]
        assert (answer.status, answer.headers["retry-after"]) == (503, "10")
    eventually(lambda: reason in running.get("/").text)
    posted = running.request("POST", "/login/index.php", b"username=a")
    assert (posted.status, reason in posted.text) == (503, True)
    site.install()
    eventually(lambda: running.get("/").status == 200)
    assert not failed(running)


def test_a_pending_upgrade_closes_the_site_until_it_is_done(installed: Site, sql: Callable[[str], str]) -> None:
    running = installed.web()
    sql(OTHER.format(installed.tables, "another", "allversionshash"))
    assert failed(running)["upgrade"] == "an upgrade is pending: run the role upgrade"
    eventually(lambda: "an upgrade is pending" in running.get("/").text.lower())
    assert running.get("/").status == 503
    assert running.get("/livez").status == 200
    assert installed.run("upgrade", environment={"UPGRADE_STATE": "database"})[0] == 0
    eventually(lambda: running.get("/").status == 200)


def test_an_upgrade_without_outage_leaves_the_site_open(installed: Site, sql: Callable[[str], str]) -> None:
    sql(f"INSERT INTO {installed.tables}config VALUES ('outagelessupgrade', '1')")
    sql(OTHER.format(installed.tables, "another", "allversionshash"))
    sql(OTHER.format(installed.tables, "2026100500.00", "version"))
    running = installed.web()
    assert not failed(running)
    sql(OTHER.format(installed.tables, "0", "outagelessupgrade"))
    assert "newer than this code" in failed(running)["upgrade"]
    eventually(lambda: running.get("/").status == 503)


def test_a_running_upgrade_is_a_reason(installed: Site, sql: Callable[[str], str]) -> None:
    running = installed.web()
    sql(f"INSERT INTO {installed.tables}config VALUES ('upgraderunning', '4000000000')")
    assert failed(running)["upgrade"] == "an upgrade is running"
    sql(OTHER.format(installed.tables, "1000000000", "upgraderunning"))
    assert not failed(running)


def test_in_development_code_may_differ_from_the_database(installed: Site, sql: Callable[[str], str]) -> None:
    sql(OTHER.format(installed.tables, "another", "allversionshash"))
    assert not failed(installed.web({"MOODLE_DEV": "1"}))


def test_a_full_pool_does_not_silence_the_probes(installed: Site) -> None:
    import threading

    running = installed.web({"MOODLE_FPM_WORKERS": "2"})
    busy = [threading.Thread(target=running.get, args=("/work.php?seconds=6",)) for _ in range(4)]
    for thread in busy:
        thread.start()
    eventually(lambda: running.execute("sh", "-c", "ls /var/moodledata/working_* | wc -l")[1].strip() == "2")
    assert not failed(running)
    assert running.get("/livez").seconds < LIMIT
    for thread in busy:
        thread.join()
