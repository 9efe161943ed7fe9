"""Asks a server for a page as fast as it answers, from several visitors at once."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

from release.errors import ImageUnproven

__all__ = ["Page", "Round", "load"]

_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its name, and for each visitor the path and the ``Cookie`` header; what a right answer contains."""

    name: str
    paths: tuple[str, ...]
    cookies: tuple[str, ...]
    contains: bytes


@dataclass(frozen=True, slots=True)
class Round:
    """What came of asking for a while: the seconds of each answer, of the whole, and of CPU in the container."""

    latencies: tuple[float, ...]
    wall: float
    cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Answers per second."""
        return len(self.latencies) / self.wall

    @property
    def p95(self) -> float:
        """The seconds within which 95 of 100 answers came."""
        return sorted(self.latencies)[math.ceil(len(self.latencies) * 0.95) - 1]

    @property
    def work(self) -> float:
        """The seconds of CPU for each answer."""
        return self.cpu / len(self.latencies)


def load(address: str, host: str, page: Page, seconds: float) -> Round:
    """Let each visitor ask ``address`` (host and port) for the page again and again for that many seconds.

    Raises:
        ImageUnproven: an answer isn't the page.
    """
    begin = time.monotonic()
    with ThreadPoolExecutor(len(page.paths)) as pool:
        work = [
            pool.submit(_visit, address, host, path, cookie, page, begin + seconds)
            for path, cookie in zip(page.paths, page.cookies, strict=True)
        ]
        latencies = tuple(latency for one in work for latency in one.result())
    return Round(latencies, time.monotonic() - begin)


def _visit(address: str, host: str, path: str, cookie: str, page: Page, end: float) -> Sequence[float]:
    """Ask until ``end``, at least twice; return the seconds that each answer took."""
    headers = {"Host": host, "Accept-Encoding": "identity", **({"Cookie": cookie} if cookie else {})}
    connection = HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    latencies: list[float] = []
    try:
        while time.monotonic() < end or len(latencies) < 2:
            begin = time.monotonic()
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = response.read()
            latencies.append(time.monotonic() - begin)
            if response.status != 200 or page.contains not in body:
                raise ImageUnproven(f"{page.name}: {path} answers {response.status}: {body[:300]!r}")
    except (OSError, HTTPException) as error:
        raise ImageUnproven(f"{page.name}: {path} doesn't answer: {error!r}") from error
    finally:
        connection.close()
    return latencies
