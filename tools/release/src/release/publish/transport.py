"""HTTP with few, patient retries, whose errors say what to do and never hold a secret."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from release.errors import DestinationRefused

if TYPE_CHECKING:
    import httpx

__all__ = ["Transport"]

_TRIES = 4
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 30.0
_AGAIN = frozenset({429, 500, 502, 503, 504})
_RUN_AGAIN = "run it again: what is done is not done twice"


class Transport:
    """A client of one destination.

    A request is sent again after a broken connection, 429 and 5xx, as ``Retry-After`` says or with doubled waits
    (seconds); so it must be one that may come twice.
    """

    def __init__(self, *, timeout: float = 60.0, sleep: Callable[[float], None] = time.sleep) -> None:
        import httpx

        self._client = httpx.Client(timeout=timeout, follow_redirects=True, headers={"User-Agent": "moodle-release"})
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Return the answer, whatever its status is once trying again is over.

        Raises:
            DestinationRefused: there is no answer.
        """
        import httpx

        wait = _FIRST_WAIT
        for attempt in range(1, _TRIES + 1):
            try:
                answer = self._client.request(method, url, headers=headers, content=content, params=params)
            except httpx.HTTPError as error:
                if attempt == _TRIES:
                    host = httpx.URL(url).host
                    raise DestinationRefused(f"{host} gives no answer: {error}", fix=_RUN_AGAIN) from None
                asked = None
            except httpx.InvalidURL as error:
                raise DestinationRefused(f"{url!r} is no address: {error}", fix="correct it in release.yaml") from None
            else:
                if answer.status_code not in _AGAIN or attempt == _TRIES:
                    return answer
                asked = answer.headers.get("Retry-After", "")
            self._sleep(min(float(asked) if asked and asked.isdigit() else wait, _LONGEST_WAIT))
            wait *= 2
        raise AssertionError("unreachable")

    @staticmethod
    def refusal(answer: httpx.Response, what: str) -> DestinationRefused:
        """Return the error that ``answer`` is not what was hoped for, with a little of what it says."""
        said = " ".join(answer.text.split())[:200] if answer.request.method != "HEAD" else ""
        fix = _RUN_AGAIN
        if answer.status_code in (401, 403):
            fix = "check the credentials and what they may do, then run it again"
        return DestinationRefused(
            f"{what}: {answer.request.url.host} answers {answer.status_code}{f' ({said})' if said else ''}", fix=fix
        )
