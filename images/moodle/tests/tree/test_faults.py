"""What a visitor sees, and that nothing is lost, when something around or inside the site fails."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

if TYPE_CHECKING:
    from pathlib import Path

    from docker.models.containers import Container

    from installed import Installed

PATIENCE_SECONDS = 40
HALF = 25_000_000


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return
        time.sleep(0.3)
    raise AssertionError(f"after {seconds:g} s still not: {what}")


def status(client: httpx.Client, path: str) -> int:
    """Return the status with which the path is answered; 0: not at all."""
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


@contextmanager
def away(service: Container, ready: Callable[[], bool]) -> Iterator[None]:
    """Stop a service while inside."""
    service.stop(timeout=20)
    try:
        yield
    finally:
        service.start()
        eventually(ready, f"{service.name} is back")


@contextmanager
def database_away(installed: Installed) -> Iterator[None]:
    check = ["pg_isready", "--quiet", "--host=127.0.0.1", "--dbname=moodle"]
    with away(installed.place.database, lambda: installed.place.database.exec_run(check).exit_code == 0):
        yield


@contextmanager
def redis_away(installed: Installed) -> Iterator[None]:
    with away(installed.place.cache, lambda: b"PONG" in installed.place.cache.exec_run(["valkey-cli", "ping"]).output):
        yield


def test_a_site_that_starts_before_its_database_opens_once_that_is_there(installed: Installed) -> None:
    with database_away(installed):
        container = installed.place.start("web", public=True)
        try:
            with installed.visitor(container) as client:
                eventually(lambda: status(client, "/livez") == 200, "alive")
                begin = time.monotonic()
                ready = client.get("/readyz")
                assert time.monotonic() - begin < 2
                assert ready.status_code == 503
                assert ready.json()["checks"]["database"]["status"] == "fail"
                assert ready.json()["checks"]["database"]["reason"]
                installed.assert_understandable(client.get("/"), 503)
                sent = client.post("/login/index.php", data={"username": "admin"})
                installed.assert_understandable(sent, 503)
        except BaseException:
            container.remove(force=True, v=True)
            raise
    try:
        installed.place.wait_ready(container)
        with installed.visitor(container) as client:
            assert client.get("/login/index.php").status_code == 200
    finally:
        container.remove(force=True, v=True)


def test_a_database_that_goes_away_is_said_and_nothing_is_lost(installed: Installed, web: Container) -> None:
    content = secrets.token_bytes(100_000)
    with installed.admin(web) as client:
        url = installed.upload(client, 700101, "before.bin", content).json()["url"].partition(":8080")[2]
        with database_away(installed):
            installed.assert_understandable(client.get("/my/"), 500, 503)
            installed.assert_understandable(client.get("/login/index.php"), 500, 503)
            begin = time.monotonic()
            ready = client.get("/readyz")
            assert time.monotonic() - begin < 2
            assert ready.status_code == 503
            assert client.get("/livez").status_code == 200
        eventually(lambda: status(client, "/readyz") == 200, "ready again")
        assert client.get(url).content == content
        assert client.get("/my/").status_code == 200


def test_a_database_that_hangs_makes_no_probe_hang(installed: Installed, web: Container) -> None:
    with installed.visitor(web) as client:
        installed.place.database.pause()
        try:
            for _ in range(3):
                begin = time.monotonic()
                ready = client.get("/readyz")
                assert time.monotonic() - begin < 2
                assert ready.status_code == 503
                assert client.get("/livez").status_code == 200
        finally:
            installed.place.database.unpause()
        eventually(lambda: status(client, "/readyz") == 200, "ready again")


def test_a_redis_that_goes_away_is_said_and_the_site_recovers(installed: Installed, web: Container) -> None:
    content = secrets.token_bytes(100_000)
    with installed.admin(web) as client:
        installed.upload(client, 700201, "before.bin", content)
        with redis_away(installed):
            for path in ("/my/", "/login/index.php"):
                answer = client.get(path)
                installed.assert_understandable(answer, 503)
                assert str(installed.place.cache.name) not in answer.text
    with installed.admin(web) as client:
        assert client.get("/my/").status_code == 200
        (user,) = installed.query("SELECT id FROM mdl_user WHERE username = 'admin'")
        (context,) = installed.query(f"SELECT id FROM mdl_context WHERE contextlevel = 30 AND instanceid = {user}")
        assert client.get(f"/draftfile.php/{context}/user/draft/700201/before.bin").content == content


def test_a_full_dataroot_is_said_and_leaves_no_half_file(installed: Installed) -> None:
    place = installed.place
    name = f"{place.dataroot}-small"
    small = place.client.volumes.create(
        name,
        driver="local",
        driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=24m,uid=10001,mode=0770"},
        labels={"moodle-platform.test": "1", "moodle-platform.site": place.dataroot},
    )
    try:
        with installed.web(dataroot=name, ready=False) as container:
            # An empty dataroot isn't the site's, unless it has this folder.
            assert container.exec_run(["mkdir", "-p", "/var/moodledata/filedir"]).exit_code == 0
            place.wait_ready(container)
            with installed.admin(container) as client:
                fits = secrets.token_bytes(1_000_000)
                assert "error" not in installed.upload(client, 700301, "fits.bin", fits).json()
                large = secrets.token_bytes(30_000_000)
                answer = installed.upload(client, 700301, "large.bin", large)
                installed.assert_understandable(answer, 200, 500, 503)
                assert answer.status_code != 200 or "error" in answer.json(), answer.text
                assert installed.query("SELECT COUNT(*) FROM mdl_files WHERE filename = 'large.bin'") == ["0"]
                pool = installed.pool(container)
                assert all(named == digest for named, digest in pool.items()), pool
                assert status(client, "/livez") == 200
                url = answer.request.url.copy_with(path="/my/", query=None)
                assert client.get(url).status_code == 200
                again = secrets.token_bytes(500_000)
                assert "error" not in installed.upload(client, 700301, "again.bin", again).json()
    finally:
        small.remove(force=True)


GREEDY = """<?php
ini_set('memory_limit', '-1');
$kept = [];
while (true) {
    $kept[] = random_bytes(4 << 20);
}
"""


def test_a_worker_that_is_killed_for_its_memory_takes_nobody_with_it(installed: Installed, tmp_path: Path) -> None:
    page = tmp_path / "greedy.php"
    page.write_text(GREEDY, encoding="utf-8")
    page.chmod(0o644)
    tmp_path.chmod(0o755)
    volumes = {str(page): {"bind": "/var/www/moodle/public/greedy.php", "mode": "ro"}}
    limits = {"mem_limit": "700m", "memswap_limit": "700m"}
    running = installed.web(volumes=volumes, **limits)  # type: ignore[arg-type]
    with running as container, installed.visitor(container) as client:
        before = set(installed.workers(container))
        with ThreadPoolExecutor(1) as pool:
            greedy = pool.submit(client.get, "/greedy.php")
            answer = greedy.result(timeout=120)
        installed.assert_understandable(answer, 500, 502, 503)
        eventually(lambda: status(client, "/readyz") == 200, "ready again")
        assert client.get("/login/index.php").status_code == 200
        after = set(installed.workers(container))
        assert len(after) == len(before)
        assert after != before, "no worker was killed: the test proves nothing"
        container.reload()
        assert container.attrs["RestartCount"] == 0
        assert container.status == "running"


def test_an_upload_that_is_cut_off_half_way_leaves_nothing(installed: Installed, web: Container) -> None:
    with installed.admin(web) as client:
        fields = installed.upload_fields(client, 700401, "cut.bin")
        boundary = "----half"
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="repo_upload_file"; filename="cut.bin"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        start = (
            "POST /repository/repository_ajax.php?action=upload HTTP/1.1\r\nHost: moodle.test:8080\r\n"
            f"Cookie: {cookie}\r\nContent-Type: multipart/form-data; boundary={boundary}\r\n"
            f"Content-Length: {2 * HALF}\r\n\r\n{''.join(parts)}"
        )
        pool = installed.pool(web)
        host, _, port = installed.place.address(web).partition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(start.encode())
            connection.sendall(secrets.token_bytes(HALF))
            arriving = installed.files(web, "/tmp")
            assert any("body" in path or "php" in path.rpartition("/")[2] for path in arriving), arriving
        eventually(lambda: not any("nginx/body/" in path for path in installed.files(web, "/tmp")), "no body is kept")
        assert installed.query("SELECT COUNT(*) FROM mdl_files WHERE filename = 'cut.bin'") == ["0"]
        assert installed.pool(web) == pool
        whole = secrets.token_bytes(2 * HALF)
        answer = installed.upload(client, 700401, "whole.bin", whole)
        assert client.get(answer.json()["url"].partition(":8080")[2]).content == whole


def test_slow_clients_keep_nobody_out_and_are_shown_the_door(installed: Installed, web: Container) -> None:
    host, _, port = installed.place.address(web).partition(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(300)]
    try:
        for connection in slow:
            connection.sendall(b"GET /login/index.php HTTP/1.1\r\nHost: moodle.test:8080\r\nX-Slow: ")
        with installed.visitor(web) as client:
            for _ in range(3):
                assert client.get("/login/index.php").status_code == 200
                assert client.get("/readyz").status_code == 200
            open_ = list(slow)
            end = time.monotonic() + PATIENCE_SECONDS
            while open_ and time.monotonic() < end:
                for connection in list(open_):
                    try:
                        connection.sendall(b"a")
                        connection.settimeout(0.01)
                        if connection.recv(1) == b"":
                            open_.remove(connection)
                    except TimeoutError:
                        continue
                    except OSError:
                        open_.remove(connection)
                time.sleep(1)
            assert not open_, f"{len(open_)} of 300 slow clients are still served"
            assert client.get("/login/index.php").status_code == 200
    finally:
        for connection in slow:
            connection.close()


def test_a_slow_upload_holds_no_worker(installed: Installed) -> None:
    with installed.web(environment={"MOODLE_FPM_WORKERS": "2"}) as container:
        host, _, port = installed.place.address(container).partition(":")
        slow = [socket.create_connection((host, int(port))) for _ in range(20)]
        try:
            for connection in slow:
                connection.sendall(
                    b"POST /login/index.php HTTP/1.1\r\nHost: moodle.test:8080\r\nContent-Length: 1000\r\n"
                    b"Content-Type: application/x-www-form-urlencoded\r\n\r\nusername="
                )
            with installed.visitor(container) as client:
                for _ in range(5):
                    assert client.get("/login/index.php").status_code == 200
        finally:
            for connection in slow:
                connection.close()
