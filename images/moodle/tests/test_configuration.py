"""What the environment comes to in config.php, and what it is refused for."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from containers import Running, Site, Workshop


def shown(running: Running) -> dict[str, Any]:
    """Everything that the application says of its configuration."""
    configuration: dict[str, Any] = running.get("/").json()
    return configuration


def test_the_environment_is_the_configuration(standing: Running) -> None:
    found = shown(standing)
    assert found["wwwroot"] == "http://localhost:8080"
    assert [found[name] for name in ("dbtype", "dbhost", "dbname", "dbuser")] == ["pgsql", "pgsql", "moodle", "moodle"]
    assert found["dataroot"] == "/var/moodledata"
    assert found["routerconfigured"] is True
    assert found["session_handler_class"] == "\\core\\session\\database"
    assert found["alternative_component_cache"] == "/usr/local/share/moodle/core_component.php"
    assert found["xsendfilealiases"]["/dataroot/"] == "/var/moodledata"
    assert "lock_factory" not in found
    for name in ("localcachedir", "localrequestdir"):
        assert found[name].startswith("/tmp/")


def test_redis_holds_sessions_and_caches_each_version_of_the_code_its_own(installed: Site) -> None:
    running = installed.web({"MOODLE_REDIS_HOST": "redis", "MOODLE_REDIS_PORT": "6380", "MOODLE_REDIS_PREFIX": "one_"})
    found = shown(running)
    assert found["session_handler_class"] == "\\moodle_image\\redis_session"
    assert (found["session_redis_host"], found["session_redis_port"]) == ("redis", 6380)
    assert found["session_redis_prefix"] == "one_session_", "sessions live on through an upgrade"
    store = found["cache"]["stores"]["redis"]["configuration"]
    version = running.execute("php", "-r", "echo (require '/usr/local/share/moodle/code.php')['versionshash'];")[1]
    assert store["prefix"] == f"one_{version[:12]}_"
    assert store["server"] == "redis:6380"
    assert found["cachedir"].endswith(version[:12])
    assert {mapping["mode"]: mapping["store"] for mapping in found["cache"]["modemappings"]} == {
        1: "redis", 2: "redis", 4: "default_request",
    }  # fmt: skip
    mappings = found["cache"]["definitionmappings"]
    assert [(m["definition"], m["store"]) for m in mappings] == [("core/string", "local"), ("core/string", "redis")]


def test_sites_that_share_a_redis_share_no_keys(installed: Site) -> None:
    sites = [shown(installed.web({"MOODLE_REDIS_HOST": "redis", "MOODLE_DB_PORT": port})) for port in ("", "5432")]
    for found in sites:
        assert found["session_redis_prefix"].startswith("moodle_")
    assert len({found["session_redis_prefix"] for found in sites}) == 2
    assert len({found["cache"]["stores"]["redis"]["configuration"]["prefix"] for found in sites}) == 2
    assert len({found["cache"]["siteidentifier"] for found in sites}) == 2


def test_pgbouncer_gets_no_session_state(installed: Site) -> None:
    found = shown(installed.web({"MOODLE_DB_PGBOUNCER": "1"}))
    assert found["dboptions"]["dbhandlesoptions"] is True
    assert found["dboptions"]["fetchbuffersize"] == 0
    assert found["lock_factory"] == "\\core\\lock\\db_record_lock_factory"


def test_a_secret_is_read_from_its_file(site: Site) -> None:
    site.install()
    assert site.run("cli", "sh", "-c", "printf 'moodle\\n' > /var/moodledata/password")[0] == 0
    del site.environment["MOODLE_DB_PASSWORD"]
    running = site.web({"MOODLE_DB_PASSWORD_FILE": "/var/moodledata/password"})
    assert shown(running)["dbpass"] == "moodle"


def test_what_the_scripts_read_from_a_file_is_read_by_all(installed: Site) -> None:
    assert installed.run("cli", "sh", "-c", "echo 3 > /var/moodledata/workers; echo 0 > /var/moodledata/dev")[0] == 0
    running = installed.web(
        {"MOODLE_FPM_WORKERS_FILE": "/var/moodledata/workers", "MOODLE_DEV_FILE": "/var/moodledata/dev"}
    )
    assert "moodle: 3 PHP workers" in running.logs()
    assert running.get("/").status == 200


def test_a_secret_of_the_environment_is_hidden_from_php(standing: Running) -> None:
    found = shown(standing)
    assert found["dbpass"] == "moodle"
    assert "MOODLE_DB_PASSWORD" not in found["getenv"]
    first = standing.execute("sh", "-c", "tr '\\0' '\\n' < /proc/1/environ")[1]
    assert "MOODLE_DB_PASSWORD_FILE=" in first
    assert "MOODLE_DB_PASSWORD=" not in first
    assert standing.execute("stat", "-c", "%a", "/tmp/moodle/secrets/MOODLE_DB_PASSWORD")[1].strip() == "600"


def test_the_last_word_has_a_file_of_the_sites_own(site: Site) -> None:
    site.install()
    write = "echo '<?php $CFG->wwwroot = \"http://extra\"; $CFG->mine = __FILE__;' > /var/moodledata/extra.php"
    assert site.run("cli", "sh", "-c", write)[0] == 0
    found = shown(site.web({"MOODLE_CONFIG_EXTRA": "/var/moodledata/extra.php"}))
    assert (found["mine"], found["wwwroot"]) == ("/var/moodledata/extra.php", "http://extra")


def test_development_looks_at_files_again(installed: Site) -> None:
    found = shown(installed.web({"MOODLE_DEV": "true"}))
    assert found["ini"]["opcache.validate_timestamps"] == "1"
    assert found["debug"] == 30719 or found["debug"] == 32767
    assert "alternative_component_cache" not in found
    assert found["themedesignermode"] is False


def test_the_warm_up_gets_a_page_behind_a_proxy_with_a_name_of_its_own(site: Site) -> None:
    site.install()
    running = site.web({"MOODLE_WWWROOT": "http://moodle.example.org", "MOODLE_REVERSEPROXY": "1"})
    assert "warming up" not in running.logs()
    refused = site.web({"MOODLE_WWWROOT": "http://localhost", "MOODLE_REVERSEPROXY": "1"})
    assert "moodle: warming up: /login/index.php is answered with 500" in refused.logs()


def test_mail_and_proxies_are_passed_on(installed: Site) -> None:
    mail = {"MOODLE_SMTP_HOSTS": "mail:1025", "MOODLE_SMTP_USER": "u", "MOODLE_NOREPLY": "no@example.org"}
    found = shown(installed.web({"MOODLE_SSLPROXY": "1", **mail}))
    assert (found["sslproxy"], found["reverseproxy"]) == (True, False)
    assert (found["smtphosts"], found["smtpuser"], found["noreplyaddress"]) == ("mail:1025", "u", "no@example.org")
    assert "smtppass" not in found


@pytest.mark.parametrize("role", ["web", "cron", "install", "upgrade"])
def test_what_is_missing_is_named_before_anything_starts(role: str, workshop: Workshop, moodle: str) -> None:
    running = workshop.start_hardened(moodle, role)
    assert running.wait() == 78
    said = running.logs()
    assert "MOODLE_WWWROOT is not set" in said
    assert "MOODLE_DB_HOST is not set" in said
    assert ("MOODLE_ADMIN_PASSWORD" in said) == (role == "install")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("MOODLE_WWWROOT", "https://moodle.example.org/", "without a path or a slash"),
        ("MOODLE_WWWROOT", "moodle.example.org", "like https://moodle.example.org"),
        ("MOODLE_DB_TYPE", "oracle", "pgsql, mariadb, mysqli"),
        ("MOODLE_DB_PORT", "70000", "a number from 1 to 65535"),
        ("MOODLE_DB_PREFIX", "mdl-", "lower case letters"),
        ("MOODLE_DB_PASSWORD_FILE", "/nowhere", "are both set"),
        ("MOODLE_REDIS_PASSWORD_FILE", "/nowhere", "can't read"),
        ("MOODLE_SSLPROXY", "yes", "1 or 0"),
        ("MOODLE_STOP_TIMEOUT", "soon", "a number from 5 to 3600"),
        ("MOODLE_UPLOAD_MAX", "lots", "a size like 256M"),
        ("MOODLE_CONFIG_EXTRA", "/nowhere.php", "can't read"),
        ("MOODLE_TLS_CERT", "/etc/hostname", "TLS needs both"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_write(
    variable: str, value: str, reason: str, standing: Running
) -> None:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "MOODLE_WWWROOT": "http://localhost"}
    environment |= {"MOODLE_DB_HOST": "pgsql", "MOODLE_DB_PASSWORD": "x", variable: value}
    assignments = [f"{name}={text}" for name, text in environment.items()]
    code, output = standing.execute("env", "-i", *assignments, "moodle-settings", "web")
    assert code == 78
    assert variable in output
    assert reason in output
    assert len(output.splitlines()) == 1


def test_an_unknown_role_is_refused(workshop: Workshop, moodle: str) -> None:
    running = workshop.start_hardened(moodle, "webserver")
    assert running.wait() == 64
    assert "no role 'webserver': give web, cron, adhoc, cli, install or upgrade" in running.logs()


def test_a_root_filesystem_without_a_place_to_write_is_refused(workshop: Workshop, moodle: str) -> None:
    running = workshop.start_hardened(moodle, "web", tmpfs={})
    assert running.wait() == 78
    assert "run the container with --tmpfs /tmp" in running.logs()


def test_a_native_library_that_does_not_fit_is_left_out_and_said(installed: Site) -> None:
    folder = "/usr/local/share/moodle/native"
    broken = f"FROM {installed.image}\nUSER 0\nRUN mkdir {folder} && echo broken > {folder}/local_accel.h\nUSER 10001\n"
    tag = installed.workshop.build("moodle", {"Dockerfile": broken.encode()})
    running = dataclasses.replace(installed, image=tag).web()
    assert "the native library of local_accel can't be loaded" in running.logs()
    assert not shown(running)["ini"]["ffi.preload"]
    developing = dataclasses.replace(installed, image=tag).web({"MOODLE_DEV": "1"})
    assert "native library" not in developing.logs(), "nothing is preloaded in development"
