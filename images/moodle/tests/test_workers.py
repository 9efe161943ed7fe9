"""How many PHP workers fit into the container's memory and CPUs, by control groups of either version."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from containers import Site

SCRIPT = Path(__file__).parents[1] / "rootfs/usr/local/bin/moodle-workers"
CPUS = len(os.sched_getaffinity(0))
UNLIMITED_V1 = "9223372036854771712"


def workers(root: Path, files: dict[str, str]) -> int:
    """Run the script on a folder that looks like /sys/fs/cgroup."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return int(subprocess.run(["bash", SCRIPT, root], check=True, capture_output=True, text=True).stdout.split()[0])


def mebibytes(number: int) -> str:
    """Return a number of MiB in bytes."""
    return str(number << 20)


@pytest.mark.parametrize(
    ("memory", "cpu", "expected"),
    [
        (mebibytes(1024), "100000 100000", 8),  # memory decides: (1024 - 256) / 96
        (mebibytes(512), "max 100000", 3),  # a small container has the least reserve of 192
        (mebibytes(4096), "50000 100000", 5),  # half a CPU
        (mebibytes(4096), "100000 100000", 10),  # the CPU decides
        (mebibytes(128), "max 100000", 2),  # never less than two
    ],
)
def test_version_2_is_understood(tmp_path: Path, memory: str, cpu: str, expected: int) -> None:
    assert workers(tmp_path, {"memory.max": memory, "cpu.max": cpu}) == expected


@pytest.mark.parametrize(("cpu", "expected"), [("50000 100000", "1"), ("150000 100000", "2")])
def test_nginx_gets_a_process_for_each_cpu(tmp_path: Path, cpu: str, expected: str) -> None:
    (tmp_path / "cpu.max").write_text(f"{cpu}\n")
    said = subprocess.run(["bash", SCRIPT, tmp_path], check=True, capture_output=True, text=True).stdout
    assert said.split()[1] == str(min(int(expected), CPUS))


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_version_1_is_understood(tmp_path: Path, folder: str) -> None:
    files = {
        "memory/memory.limit_in_bytes": mebibytes(2048),
        f"{folder}/cpu.cfs_quota_us": "70000",
        f"{folder}/cpu.cfs_period_us": "100000",
    }
    assert workers(tmp_path, files) == 7


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"memory.max": "max", "cpu.max": "max 100000"},
        {"memory/memory.limit_in_bytes": UNLIMITED_V1, "cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"},
        {"memory.max": mebibytes(1 << 30), "cpu.max": "100000000 100000"},
    ],
)
def test_without_a_limit_the_machine_decides(tmp_path: Path, files: dict[str, str]) -> None:
    meminfo = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total = int(meminfo["MemTotal"].split()[0]) // 1024
    assert workers(tmp_path, files) == max(2, min((total - max(total // 4, 192)) // 96, CPUS * 10, 64))


def test_a_container_has_as_many_workers_as_fit(installed: Site) -> None:
    running = installed.web(mem_limit="640m", cpu_period=100000, cpu_quota=100000)
    assert "moodle: 4 PHP workers" in running.logs()
    assert running.execute("pgrep", "-cf", "pool moodle")[1].strip() == "4"


def test_a_number_that_was_given_is_taken(installed: Site) -> None:
    running = installed.web({"MOODLE_FPM_WORKERS": "3"})
    assert running.execute("pgrep", "-cf", "pool moodle")[1].strip() == "3"
