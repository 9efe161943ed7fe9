"""Time the file pool: verification of 20,000 files and ingest of one large file, ours beside what there was before.

    python3 bench/accel/pool.py --library target/release/libaccel_ffi.so > pool.json

The contenders take turns, so that a change of the machine's load meets all of them. Each run is a process of its own,
and its CPU time is that of the process and its children, as the operating system counts it. Prints a JSON array of
objects with name, runs, cpu and wall; cpu and wall are lists of seconds, one for each run. The load goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from hashlib import sha1
from pathlib import Path

HERE = Path(__file__).parent
FILES = 20_000
BYTES = 1_200_000_000
LARGE_BYTES = 256 * 2**20


def fill_pool(root: Path, files: int, size: int, seed: int) -> None:
    """Write a pool whose sizes spread as uploads do: most are small, most bytes are in few."""
    chance = random.Random(seed)
    weights = [chance.lognormvariate(0, 2.2) for _ in range(files)]
    scale = size / sum(weights)
    block = chance.randbytes(2**20)
    for number, weight in enumerate(weights):
        length = min(max(16, round(weight * scale)), 64 * 2**20)
        content = (number.to_bytes(16, "little") + block * (length // len(block) + 1))[:length]
        name = sha1(content, usedforsecurity=False).hexdigest()
        folder = root / name[:2] / name[2:4]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def measure(command: list[str]) -> tuple[float, float]:
    """Run a command and return its CPU and wall seconds."""
    before, start = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, wall


def main() -> None:
    """Parse the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--library", type=Path, required=True, help="the release build of libaccel_ffi.so")
    parser.add_argument("--php", default="php")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--files", type=int, default=FILES)
    parser.add_argument("--bytes", type=int, default=BYTES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accel-bench") as folder:
        pool, large = Path(folder, "filedir"), Path(folder, "large")
        fill_pool(pool, arguments.files, arguments.bytes, arguments.seed)
        chance = random.Random(arguments.seed)
        with large.open("wb") as file:
            for _ in range(LARGE_BYTES // 2**20):
                file.write(chance.randbytes(2**20))
        php = [arguments.php, str(HERE / "pool.php"), str(arguments.library.resolve())]
        contenders = {
            "verify: PHP sha1_file": [*php, "sha1_file", str(pool)],
            "verify: PHP engine": [*php, "php", str(pool)],
            "verify: native, 1 thread": [*php, "native", str(pool), "1"],
            "verify: native, 2 threads": [*php, "native", str(pool), "2"],
            "verify: find | xargs -P2 sha1sum": [
                "sh", "-c", 'find "$0" -type f -print0 | xargs -0 -P2 -n64 sha1sum', str(pool),
            ],
            "ingest 256 MiB: core": [*php, "ingest-core", str(large), folder],
            "ingest 256 MiB: PHP copier": [*php, "ingest-php", str(large), folder],
            "ingest 256 MiB: native copier": [*php, "ingest-native", str(large), folder],
            "ingest 256 MiB known to the pool: core": [*php, "again-core", str(large), folder],
            "ingest 256 MiB known to the pool: native copier": [*php, "again-native", str(large), folder],
        }  # fmt: skip
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores at the start", file=sys.stderr)
        for turn in range(arguments.runs + 1):
            for name, command in contenders.items():
                result = measure(command)
                # The first turn fills the page cache.
                if turn > 0:
                    times[name].append(result)
        print(f"load {os.getloadavg()[0]:.1f} at the end", file=sys.stderr)
    results = [
        {
            "name": name,
            "runs": len(runs),
            "cpu": [round(cpu, 3) for cpu, _ in runs],
            "wall": [round(wall, 3) for _, wall in runs],
        }
        for name, runs in times.items()
    ]
    json.dump(results, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
