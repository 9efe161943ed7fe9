#!/usr/bin/env python3
"""Tell which updates of Debian the packages of images lack, be it of security or of a point release.

usage: build-support/pending_updates.py IMAGE...

Debian's own archive is asked, from inside a container of each image, so no database of vulnerabilities is needed; a
stable Debian changes for vulnerabilities and grave defects only. What Debian hasn't mended yet isn't shown: that takes
a scanner such as grype or trivy, which fetches its database. Exits with 1 if an update is lacking, with 2 if an image
can't be asked.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence

# Suites and keys are the image's own; only the folder of lists, which images don't keep, is made anew.
ASK = """
set -eu
mkdir -p /var/lib/apt/lists/partial
for suite in trixie trixie-updates; do echo "deb http://deb.debian.org/debian $suite main"; done >/tmp/sources.list
echo 'deb http://deb.debian.org/debian-security trixie-security main' >>/tmp/sources.list
from='-o Dir::Etc::SourceList=/tmp/sources.list -o Dir::Etc::SourceParts=/dev/null'
apt-get $from -o APT::Update::Error-Mode=any -qq update
apt-get $from --simulate dist-upgrade
"""


def main(images: Sequence[str]) -> int:
    """Ask for each image and return the exit code."""
    if not images:
        print(__doc__, file=sys.stderr)
        return 2
    lacking = 0
    for image in images:
        command = ["docker", "run", "--rm", "--user=0", "--entrypoint=/bin/sh", image, "-c", ASK]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            print(f"pending_updates: {image} can't be asked: {done.stderr.strip()}", file=sys.stderr)
            return 2
        found = list(updates(done.stdout))
        print(f"{image}: {len(found)} updates are lacking")
        for name, here, there, origin in found:
            print(f"  {name} {here}: {there} is there ({origin})")
        lacking += len(found)
    return 1 if lacking else 0


def updates(simulated: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, installed and newer version, and origin of the packages that apt would take anew."""
    yield from re.findall(r"^Inst (\S+) \[([^]]+)\] \((\S+) ([^)\[]*?) ?(?:\[[^)]*)?\)", simulated, re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
