"""Requests: tried again only where that can't make a thing twice, with a secret never shown."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from release.errors import DestinationRefused

if TYPE_CHECKING:
    import ssl

    import httpx

__all__ = ["Http", "NoAnswer", "settle"]

_TRIES = 4
_LONGEST = 120.0
"""Seconds that one pause takes at most; a server that asks for more is not waited for."""
_READING = frozenset({"GET", "HEAD"})
_REPEATABLE = _READING | {"PUT", "PATCH", "DELETE"}
_SECONDS = re.compile(r"[0-9]{1,12}")
_FAILED = (408, 500, 502, 503, 504)

T = TypeVar("T")


class NoAnswer(DestinationRefused):
    """The connection broke or the server failed: it may have done what it was asked, or not."""


@dataclass(frozen=True, slots=True)
class Http:
    """One API: ``name`` is what people call it, ``base`` its address without a slash at the end.

    ``headers`` are sent with each request; no text has them, nor ``secret``, which one of them carries.
    """

    name: str
    base: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret: str = field(default="", repr=False)
    advice: Mapping[int, str] = field(default_factory=dict)
    """What a person can do about a status."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    def send(
        self,
        method: str,
        url: str,
        *,
        ok: tuple[int, ...],
        params: Mapping[str, str | int] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        file: tuple[str, Path, str] | None = None,
        body: Path | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = False,
        read: Callable[[httpx.Response], object] = lambda answer: answer.read(),
    ) -> httpx.Response:
        """Return the answer to a request; ``url`` begins with ``/`` or is a whole one.

        ``body`` is sent as it is, ``file`` (field, path, media type) is one that is sent in a form. Statuses in ``ok``
        are answers, whose content ``read`` takes; a redirect of a ``GET`` or ``HEAD`` is followed, without the header
        ``Authorization`` when it leads to another host. What may be repeated without harm (``again``: even a ``POST``)
        is tried again after a broken connection or a server's failure; what is refused for its rate is tried again
        after the pause that the server names.

        Raises:
            NoAnswer: broken or failed, and not to be repeated, or repeated in vain.
            DestinationRefused: any other answer.
        """
        import httpx

        why = ""
        for attempt in range(1, _TRIES + 1):
            pause = 2.0 ** (attempt - 1)
            try:
                with (
                    ExitStack() as opened,
                    httpx.stream(
                        method,
                        self.url(url),
                        params=params,
                        json=json,
                        data=form,
                        files=_form_file(opened, file),
                        content=opened.enter_context(body.open("rb")) if isinstance(body, Path) else body,
                        headers={"User-Agent": "moodle-release", **self.headers, **(headers or {})},
                        timeout=httpx.Timeout(60, connect=15),
                        verify=_trusted(),
                        follow_redirects=method in _READING,
                    ) as answer,
                ):
                    if answer.status_code in ok:
                        read(answer)
                        return answer
                    answer.read()
            except httpx.HTTPError as error:
                why = str(error).strip() or type(error).__name__
            except httpx.InvalidURL as error:
                raise DestinationRefused(f"{self.base} is no address: {error}", fix="correct it") from None
            else:
                limit = self._limited(answer)
                if limit is not None and limit <= _LONGEST and attempt < _TRIES:
                    self.sleep(limit)
                    continue
                if limit is not None or answer.status_code not in _FAILED:
                    raise self.refused(answer)
                why = f"it answers {answer.status_code}"
                named = _seconds(answer)
                pause = pause if named is None else min(named, _LONGEST)
            if method not in _REPEATABLE and not again:
                break
            if attempt < _TRIES:
                self.sleep(pause)
        raise NoAnswer(
            self.hidden(f"{self.name} gives no answer to {method} {_shown(url)}: {why}"),
            fix="run it again; what is done is not done twice",
        )

    def get(self, url: str, kind: type[T], *, params: Mapping[str, str | int] | None = None) -> T:
        """Return what a ``GET`` brings, read as JSON of ``kind``."""
        return self.read(self.send("GET", url, ok=(200,), params=params), kind)

    def read(self, answer: httpx.Response, kind: type[T]) -> T:
        """Return the content of ``answer``, read as JSON of ``kind``.

        Raises:
            DestinationRefused: it is something else.
        """
        import msgspec

        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DestinationRefused(
                f"{self.name} answers {answer.request.method} {answer.request.url.path} with something else "
                f"than its documents say: {error}",
                fix="check its address; a proxy in between may answer in its place",
            ) from None

    def sha256(self, url: str, *, absent: tuple[int, ...], headers: Mapping[str, str] | None = None) -> str | None:
        """Return the SHA-256 (hexadecimal) of what a ``GET`` brings, ``None`` for a status in ``absent``.

        Raises:
            DestinationRefused: any other answer but 200, or none.
        """
        found = hashlib.sha256()

        def read(answer: httpx.Response) -> None:
            nonlocal found
            found = hashlib.sha256()
            for chunk in answer.iter_bytes():
                found.update(chunk)

        answer = self.send("GET", url, ok=(200, *absent), headers=headers, read=read)
        return found.hexdigest() if answer.status_code == 200 else None

    def url(self, url: str) -> str:
        """Return ``url`` as a whole one."""
        return f"{self.base}{url}" if url.startswith("/") else url

    def hidden(self, text: str) -> str:
        """Return ``text`` without the secret."""
        return text.replace(self.secret, "***") if self.secret else text

    def refused(self, answer: httpx.Response) -> DestinationRefused:
        """Return the error that ``answer`` is not one of those that were hoped for, with what it says of itself."""
        said = _message(answer)
        asked = f"{answer.request.method} {answer.request.url.path}"
        return DestinationRefused(
            self.hidden(f"{self.name} refuses {asked}: status {answer.status_code}{f', {said}' if said else ''}"),
            fix=self.advice.get(answer.status_code, "mend what it names, then run it again"),
        )

    def _limited(self, answer: httpx.Response) -> float | None:
        """Return the seconds to wait where ``answer`` refuses for the rate of requests alone.

        Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
        """
        if answer.status_code not in (403, 429):
            return None
        named = _seconds(answer)
        if named is not None:
            return named
        if answer.headers.get("x-ratelimit-remaining") == "0":
            reset = answer.headers.get("x-ratelimit-reset", "")
            return max(0.0, float(reset) - self.now()) if _SECONDS.fullmatch(reset) else 60.0
        return 60.0 if answer.status_code == 429 else None


def settle(
    done: Callable[[], bool],
    act: Callable[[], None],
    *,
    sleep: Callable[[float], None],
    tries: int = 3,
) -> None:
    """Call ``act``; where no answer came, ask ``done`` whether it was done before it is tried again.

    Raises:
        NoAnswer: the last try had none and was not done.
        DestinationRefused: ``act`` was refused.
    """
    for attempt in range(1, tries + 1):
        try:
            return act()
        except NoAnswer:
            if done():
                return None
            if attempt == tries:
                raise
            sleep(2.0**attempt)
    raise AssertionError("unreachable")


@cache
def _trusted() -> ssl.SSLContext:
    """Return the certificates that are trusted; to read them takes long."""
    import httpx

    return httpx.create_ssl_context()


def _form_file(opened: ExitStack, file: tuple[str, Path, str] | None) -> dict[str, tuple[str, BinaryIO, str]] | None:
    if file is None:
        return None
    name, path, media_type = file
    return {name: (path.name, opened.enter_context(path.open("rb")), media_type)}


def _seconds(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if _SECONDS.fullmatch(text) else None


def _shown(url: str) -> str:
    """Return ``url`` without its query, which can hold a signature."""
    return url.partition("?")[0]


def _message(answer: httpx.Response) -> str:
    """Return what the server says of itself, in a line: GitHub's ``message`` or RFC 9457's ``detail``."""
    try:
        data = answer.json()
    except ValueError:
        return ""
    if not isinstance(data, dict):
        return ""
    parts = [str(data.get("message") or data.get("detail") or data.get("title") or "")]
    for entry in [*(data.get("errors") or ()), *(data.get("violations") or ())][:5]:
        if isinstance(entry, dict):
            where = entry.get("field") or entry.get("propertyPath")
            text = entry.get("message") or entry.get("code")
            parts.append(f"{where}: {text}" if where else str(text))
        else:
            parts.append(str(entry))
    return " ".join("; ".join(dict.fromkeys(part for part in parts if part)).split())[:500]
