"""An installed site with the real Moodle, and what tests ask of it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

from release.images.site import ADMIN, Site, log_in

if TYPE_CHECKING:
    from docker.models.containers import Container

__all__ = ["Installed", "output"]


def output(container: Container, *command: str, **options: Any) -> tuple[int, str]:
    """Run a command in a container; return exit code and output."""
    result = container.exec_run(list(command), **options)
    assert isinstance(result.output, bytes)
    return int(result.exit_code or 0), result.output.decode()


@dataclass(frozen=True, slots=True)
class Installed:
    """An installed site, with what tests ask of it."""

    place: Site
    database: str

    def query(self, sql: str) -> list[str]:
        """Ask the database; return the rows, columns parted by a bar."""
        code, said = output(
            self.place.database,
            *("psql", "-h", "127.0.0.1", "-U", "moodle", "-d", self.database, "-Atc", sql),
            environment={"PGPASSWORD": self.place.environment["MOODLE_DB_PASSWORD"]},
        )
        assert code == 0, said
        return said.split()

    @contextmanager
    def web(self, *, ready: bool = True, **options: Any) -> Iterator[Container]:
        """Yield a running web container, waited for."""
        container = self.place.start("web", public=True, **options)
        try:
            if ready:
                self.place.wait_ready(container)
            yield container
        finally:
            container.remove(force=True, v=True)

    @contextmanager
    def visitor(self, container: Container) -> Iterator[httpx.Client]:
        """Yield the browser of a person who isn't logged in."""
        with self.place.browser(container) as client:
            yield client

    @contextmanager
    def admin(self, container: Container) -> Iterator[httpx.Client]:
        """Yield the browser of a person who is logged in."""
        with self.place.browser(container) as client:
            answer = log_in(client, ADMIN, self.place.admin_password)
            assert answer.status_code == 303, answer.text
            assert "login" not in answer.headers["Location"].rpartition("/login/index.php?testsession")[0], (
                answer.headers
            )
            yield client

    @contextmanager
    def copy(self, name: str) -> Iterator[Installed]:
        """Yield the same site in a database of its own."""
        login = {"PGPASSWORD": self.place.environment["MOODLE_DB_PASSWORD"]}
        local = ("-h", "127.0.0.1", "-U", "moodle")
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'moodle'"
        for words in (
            ["psql", *local, "-d", "postgres", "-Atc", others],
            ["createdb", *local, "--template=moodle", name],
        ):
            done = self.place.database.exec_run(words, environment=login)
            assert done.exit_code == 0, done.output
        place = replace(self.place, environment={**self.place.environment, "MOODLE_DB_NAME": name})
        yield Installed(place, name)

    def session_key(self, client: httpx.Client) -> str:
        """Return the key that Moodle wants with every change."""
        page = client.get("/user/files.php")
        assert page.status_code == 200, page.text
        found = re.search(r'"sesskey":"(\w+)"', page.text)
        assert found, page.text[:2000]
        return found[1]

    def upload_fields(self, client: httpx.Client, draft: int, name: str) -> dict[str, str]:
        """Return the fields of the form by which a file gets into a draft area."""
        (repository,) = self.query(
            "SELECT i.id FROM mdl_repository_instances i JOIN mdl_repository r ON r.id = i.typeid"
            " WHERE r.type = 'upload'"
        )
        return {
            "sesskey": self.session_key(client), "repo_id": repository, "itemid": str(draft), "title": name,
            "author": "A tester", "license": "unknown", "savepath": "/", "env": "filemanager", "maxbytes": "-1",
            "areamaxbytes": "-1",
        }  # fmt: skip

    def upload(self, client: httpx.Client, draft: int, name: str, content: bytes) -> httpx.Response:
        """Upload a file into a draft area."""
        fields = self.upload_fields(client, draft, name)
        files = {"repo_upload_file": (name, content)}
        return client.post("/repository/repository_ajax.php?action=upload", data=fields, files=files)

    def checks(self, client: httpx.Client, name: str) -> dict[str, dict[str, str]]:
        """Return the checks of a container that isn't ready, as soon as the check of that name was made."""
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                answer = client.get("/readyz")
                assert answer.status_code == 503, answer.text
                checks: dict[str, dict[str, str]] = answer.json()["checks"]
                if name in checks:
                    return checks
            time.sleep(0.2)
        raise AssertionError(f"the check {name} isn't made")

    def pool(self, container: Container) -> dict[str, str]:
        """Return the files of Moodle's pool: the name of each, which says its content's SHA-1, and that SHA-1."""
        script = "cd /var/moodledata/filedir 2>/dev/null && find . -type f ! -name warning.txt -exec sha1sum {} +; true"
        lines = output(container, "bash", "-c", script)[1].splitlines()
        return {line.split()[1].rpartition("/")[2]: line.split()[0] for line in lines}

    def files(self, container: Container, *folders: str) -> set[str]:
        """Return the paths of the files in folders of a running container."""
        return set(output(container, "find", *folders, "-type", "f")[1].split())

    def workers(self, container: Container) -> list[int]:
        """Return the numbers, inside the container, of Moodle's PHP workers."""
        script = "grep -lz 'php-fpm: pool moodle' /proc/[0-9]*/cmdline 2>/dev/null | cut -d / -f 3"
        return [int(number) for number in output(container, "bash", "-c", script)[1].split()]

    def assert_understandable(self, answer: httpx.Response, *statuses: int) -> None:
        """Assert that a person who isn't a programmer can read the answer, and that it tells nothing of the inside."""
        assert answer.status_code in statuses, (answer.status_code, answer.text[:2000])
        text = answer.text
        visible = re.sub(r"(?s)<(script|style|head)\b.*?</\1>|<[^>]+>", " ", text)
        if "json" in answer.headers.get("Content-Type", ""):
            visible = " ".join(str(value) for value in answer.json().values())
        assert len(visible.split()) >= 5, text
        for inside in ("Stack trace", "Fatal error", "Exception -", "/var/www", "/usr/local", ".php on line", "$CFG"):
            assert inside not in text, text
