"""SIGTERM: what is under way finishes, and the container has ended in time."""

from __future__ import annotations

import threading
import time

import pytest

from containers import Answer, Running, Site, eventually


def working(running: Running, seconds: float) -> tuple[threading.Thread, list[Answer]]:
    """Send a request that takes its time; return once it is under way."""
    answers: list[Answer] = []

    def ask() -> None:
        try:
            answers.append(running.request("POST", f"/work.php?seconds={seconds}", b"a=b", timeout=60))
        except OSError:
            return

    thread = threading.Thread(target=ask)
    thread.start()
    eventually(lambda: running.execute("sh", "-c", "ls /var/moodledata/working_*")[0] == 0)
    return thread, answers


def test_a_request_under_way_is_finished(installed: Site) -> None:
    running = installed.web()
    thread, answers = working(running, 4)
    running.container.kill("SIGTERM")
    thread.join()
    assert [answer.text for answer in answers] == ["worked for 4 s\n"]
    assert running.wait() == 0
    assert "cut off" not in running.logs()


def test_a_request_that_takes_too_long_is_cut_off_in_time(installed: Site) -> None:
    running = installed.web({"MOODLE_STOP_TIMEOUT": "6"})
    thread, answers = working(running, 50)
    start = time.monotonic()
    running.container.kill("SIGTERM")
    assert running.wait() == 0
    assert time.monotonic() - start < 6
    thread.join()
    assert "requests are cut off" in running.logs()
    assert not [answer for answer in answers if answer.status == 200]


def test_before_it_stops_it_is_unready_for_as_long_as_is_said(installed: Site) -> None:
    running = installed.web({"MOODLE_STOP_DELAY": "4"})
    running.container.kill("SIGTERM")
    answer = eventually(lambda: (a := running.get("/readyz")).status == 503 and a)
    assert answer
    assert answer.json()["checks"]["server"]["reason"] == "stopping"
    assert running.get("/").status == 200, "visitors are served until the delay is over"
    assert running.wait() == 0


def test_a_running_task_is_finished(installed: Site) -> None:
    running = installed.start("cron", environment={"TASK_SECONDS": "4"})
    eventually(lambda: "started" in running.logs())
    running.container.kill("SIGTERM")
    assert running.wait() == 0
    assert "exiting gracefully" in running.logs()
    assert "task finished" in running.logs()
    assert "exiting now" not in running.logs()


def test_a_task_that_takes_too_long_is_handed_back_in_time(installed: Site) -> None:
    running = installed.start("adhoc", environment={"TASK_SECONDS": "50", "MOODLE_STOP_TIMEOUT": "6"})
    eventually(lambda: "started" in running.logs())
    start = time.monotonic()
    running.container.kill("SIGTERM")
    assert running.wait() == 0
    assert time.monotonic() - start < 6
    assert "exiting now" in running.logs(), "Moodle itself gives the task back"


@pytest.mark.parametrize("role", ["cron", "web"])
def test_a_signal_at_the_start_ends_it_in_time(role: str, installed: Site) -> None:
    started = []
    for delay in (0.1, 0.3, 0.5, 0.7, 0.9, 1.2, 1.6):
        running = installed.start(role, environment={"TASK_SECONDS": "50", "MOODLE_STOP_TIMEOUT": "6"})
        time.sleep(delay)
        running.container.kill("SIGTERM")
        started.append(running)
    for running in started:
        # 143: before the role began.
        assert running.wait(timeout=15) in {0, 143}, running.logs()
        assert "unbound" not in running.logs()


def test_waiting_ends_at_once(site: Site) -> None:
    running = site.start("cron")
    eventually(lambda: "waiting" in running.logs())
    running.container.kill("SIGTERM")
    assert running.wait(timeout=10) == 0


def test_when_a_part_dies_the_container_ends_and_says_which(installed: Site) -> None:
    running = installed.web()
    running.execute("sh", "-c", "kill -9 $(cat /tmp/moodle/nginx.pid)")
    assert running.wait() != 0
    assert "nginx ended" in running.logs()


def test_a_killed_worker_is_replaced(installed: Site) -> None:
    running = installed.web({"MOODLE_FPM_WORKERS": "1"})
    assert running.execute("sh", "-c", "pkill -9 -xf 'php-fpm: pool moodle'")[0] == 0
    eventually(lambda: running.get("/").status == 200)
    assert running.running()


def test_a_page_that_hoards_memory_fails_alone(installed: Site) -> None:
    running = installed.web({"MOODLE_PHP_MEMORY_LIMIT": "64M"})
    assert running.get("/greedy.php").status == 500
    assert "Allowed memory size of 67108864 bytes exhausted" in running.logs()
    assert running.get("/").status == 200


def test_who_waits_for_a_worker_that_is_killed_gets_a_page_that_says_so(installed: Site) -> None:
    running = installed.web()
    thread, answers = working(running, 30)
    assert running.execute("sh", "-c", "kill -9 $(basename /var/moodledata/working_* | cut -d_ -f2)")[0] == 0
    thread.join()
    assert [answer.status for answer in answers] == [502]
    assert "What you sent may not have been saved" in answers[0].text
    assert running.get("/").status == 200
