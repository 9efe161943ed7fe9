"""The image does a site's work with a real Moodle, without any right, writing to /tmp and the dataroot alone."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING

from installed import output

if TYPE_CHECKING:
    from pathlib import Path

    from docker.models.containers import Container

    from installed import Installed

PRIVATE = re.compile(r"^https?://[^/]+(/\S+)$")


def test_the_container_really_is_confined(web: Container) -> None:
    status = output(web, "cat", "/proc/1/status")[1]
    assert re.search(r"^Uid:\s+10001", status, re.MULTILINE)
    assert re.search(r"^CapEff:\s+0+$", status, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s+1$", status, re.MULTILINE)
    assert web.exec_run(["touch", "/var/www/moodle/public/index.php"]).exit_code != 0


def test_an_installed_site_is_left_as_it_is_by_a_second_install(installed: Installed) -> None:
    before = installed.query("SELECT value FROM mdl_config WHERE name = 'siteidentifier'")
    code, said = installed.place.run("install")
    assert code == 0, said
    assert installed.query("SELECT value FROM mdl_config WHERE name = 'siteidentifier'") == before


def test_a_person_logs_in_and_sees_the_own_page(installed: Installed, web: Container) -> None:
    with installed.admin(web) as client:
        page = client.get("/my/")
        assert page.status_code == 200
        assert "loginerrors" not in page.text
        assert "Log out" in page.text


def test_a_wrong_password_is_said_on_the_login_page(installed: Installed, web: Container) -> None:
    with installed.visitor(web) as client:
        page = client.get("/login/index.php").text
        token = re.search(r'name="logintoken" value="([^"]+)"', page)
        assert token
        fields = {"username": "admin", "password": "wrong", "logintoken": token[1]}
        client.post("/login/index.php", data=fields)
        assert "Invalid login" in client.get("/login/index.php").text


def test_pages_of_a_guest_are_complete_with_style_and_scripts(installed: Installed, web: Container) -> None:
    with installed.visitor(web) as client:
        page = client.get("/login/index.php").text
        found = set(re.findall(r'(?:href|src)="http://moodle\.test:8080(/(?:theme|lib)[^"]+)"', page))
        assert any("styles.php" in path for path in found), page
        for path in found:
            answer = client.get(path.replace("&amp;", "&"))
            assert answer.status_code == 200, path
            assert answer.content, path


def test_an_uploaded_file_comes_back_byte_for_byte(installed: Installed, web: Container) -> None:
    content = secrets.token_bytes(3_000_000)
    with installed.admin(web) as client:
        answer = installed.upload(client, 700001, "picture.bin", content)
        assert answer.status_code == 200
        url = PRIVATE.match(answer.json()["url"])
        assert url, answer.text
        fetched = client.get(url[1])
        assert fetched.status_code == 200
        assert fetched.content == content
        part = client.get(url[1], headers={"Range": "bytes=1000-1999"})
        assert part.status_code == 206
        assert part.content == content[1000:2000]
        assert "X-Accel-Redirect" not in fetched.headers
    with installed.visitor(web) as stranger:
        assert stranger.get(url[1]).status_code in {303, 403, 404}


def test_no_path_leads_to_the_files_but_through_moodle(installed: Installed, web: Container) -> None:
    with installed.visitor(web) as client:
        for path in (
            "/dataroot/filedir/warning.txt",
            "/localcachedir/",
            "/config.php",
            "/lib/classes/../../../config.php",
        ):
            answer = client.get(path)
            assert answer.status_code in {400, 403, 404}, path


def test_cron_runs_tasks_and_stops_when_told_to(installed: Installed) -> None:
    asked = time.time()
    container = installed.place.start("cron")
    try:
        for _ in range(240):
            last = installed.query("SELECT COALESCE(MAX(lastruntime), 0) FROM mdl_task_scheduled")
            if int(last[0]) >= int(asked):
                break
            time.sleep(0.5)
        else:
            raise AssertionError(container.logs().decode()[-3000:])
        begin = time.monotonic()
        container.stop(timeout=60)
        took = time.monotonic() - begin
        container.reload()
        log = container.logs().decode()
        assert container.attrs["State"]["ExitCode"] == 0, log[-3000:]
        assert took < 35, log[-3000:]
        assert "Fatal error" not in log
    finally:
        container.remove(force=True, v=True)


def test_an_ad_hoc_task_is_done_by_the_role_adhoc(installed: Installed) -> None:
    code, said = installed.place.run(
        "cli", "php", "-r",
        "define('CLI_SCRIPT', true); require 'config.php';"
        "$task = new \\core\\task\\refresh_mod_calendar_events_task();"
        "$task->set_custom_data(['plugins' => ['assign']]); \\core\\task\\manager::queue_adhoc_task($task);",
    )  # fmt: skip
    assert code == 0, said
    assert installed.query("SELECT COUNT(*) FROM mdl_task_adhoc WHERE classname LIKE '%refresh_mod_calendar%'") == ["1"]
    container = installed.place.start("adhoc", "--classname=core\\task\\refresh_mod_calendar_events_task")
    try:
        for _ in range(120):
            left = installed.query("SELECT COUNT(*) FROM mdl_task_adhoc WHERE classname LIKE '%refresh_mod_calendar%'")
            if left == ["0"]:
                break
            time.sleep(0.5)
        assert left == ["0"], container.logs().decode()[-3000:]
    finally:
        container.remove(force=True, v=True)


def test_moodles_own_checks_find_nothing_wrong(web: Container) -> None:
    cron = web.exec_run(["php", "admin/cli/cron.php", "--keep-alive=0"])
    assert cron.exit_code == 0, cron.output
    for kind in ("status", "security", "performance"):
        code, said = output(web, "php", "admin/cli/checks.php", f"--type={kind}", "--verbose")
        # 0: all well, 1: a warning; 2 and 3 are critical and unknown.
        assert code in {0, 1}, (kind, said)


def test_a_newer_plugin_waits_for_its_upgrade(installed: Installed, image: str, tmp_path: Path) -> None:
    tag = "moodle-platform-test/newer:tree"
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image}\nUSER 0\n"
        "RUN sed -i -E 's/(version *= *)[0-9]+;/\\12099010100;/' public/local/accel/version.php && moodle-bake\n"
        "USER 10001:10001\n"
    )
    engine = installed.place.client
    engine.images.build(path=str(tmp_path), tag=tag, rm=True, labels={"moodle-platform.test": "1"})
    try:
        with installed.copy("pending") as site, site.web(image=tag, ready=False) as container:
            with site.visitor(container) as client:
                checks = site.checks(client, "upgrade")
                assert checks["upgrade"]["status"] == "fail"
                assert "pending" in checks["upgrade"]["reason"]
                assert checks["database"]["status"] == "ok"
                assert client.get("/livez").status_code == 200
                site.assert_understandable(client.get("/"), 503)
                code, said = site.place.run("upgrade", image=tag)
                assert code == 0, said
                site.place.wait_ready(container)
                assert client.get("/login/index.php").status_code == 200
            with site.web(ready=False) as former, site.visitor(former) as client:
                assert site.checks(client, "upgrade")["upgrade"]["status"] == "fail"
                site.assert_understandable(client.get("/"), 503)
    finally:
        engine.images.remove(tag, force=True)
