"""One polite conversation with a registry that speaks the official API: pages, back-off, limits.

One connection; the next request starts no sooner than the source's pace, and no sooner than three times what the last
answer took, so that a slow registry is asked less. 429 and 5xx are waited out. Above: `passes`. Below: `web`, `rows`.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import msgspec

from mcphub.errors import HubError
from registry.sync.rows import Rejected, Row, read_row
from registry.web import Answer, AnswerTooLarge, Unreachable, Web

PAGE = 100


class SourceFailed(HubError):
    """A registry refused, answered nonsense, or did not recover within all attempts."""

    code = "source_failed"
    http_status = 502
    sentence = "The registry did not answer as expected."


@dataclass(frozen=True, slots=True)
class Patience:
    """How failures are waited out, in seconds. Waits double from `first` to `most`; `slowest` bounds the pace."""

    attempts: int = 8
    first: float = 1.0
    most: float = 60.0
    slowest: float = 5.0


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the list; `cursor` of the next one is "" at the end."""

    rows: tuple[Row | Rejected, ...]
    cursor: str


class _List(msgspec.Struct):
    servers: list[msgspec.Raw] | None = None
    metadata: dict[str, object] | None = None


class Client:
    """See the module. `waiting` is called before each wait with its length, so that a lease can be kept."""

    def __init__(
        self,
        web: Web,
        url: str,
        pace: float,
        patience: Patience,
        waiting: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._web = web
        self._url = url.rstrip("/")
        self._pace = pace
        self._patience = patience
        self._waiting = waiting
        self._next = 0.0

    def page(self, cursor: str, since: datetime | None) -> Page:
        """The page at a cursor ("" for the first), deleted versions included. Raises `SourceFailed`."""
        params = {"limit": str(PAGE), "include_deleted": "true"}
        if cursor:
            params["cursor"] = cursor
        if since is not None:
            params["updated_since"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        answer = self._ask(f"{self._url}/servers", params)
        if answer.status != 200:
            raise SourceFailed(_sentence(answer))
        found = _decoded(answer)
        following = (found.metadata or {}).get("nextCursor") or (found.metadata or {}).get("next_cursor") or ""
        if not isinstance(following, str):
            raise SourceFailed("The registry's next cursor is no text.")
        if following and following == cursor:
            raise SourceFailed("The registry gave the same cursor again; its list would never end.")
        return Page(tuple(read_row(bytes(raw)) for raw in found.servers or ()), following)

    def latest(self, name: str) -> Row | None:
        """The latest version of a name; None where the registry has none. Raises `SourceFailed`."""
        answer = self._ask(f"{self._url}/servers/{quote(name, safe='')}/versions/latest", {})
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise SourceFailed(_sentence(answer))
        row = read_row(answer.body.strip())
        return row if isinstance(row, Row) and row.name == name else None

    def _ask(self, url: str, params: dict[str, str]) -> Answer:
        """Ask until there is an answer that repeating would not better."""
        delay = self._patience.first
        problem = ""
        for attempt in range(self._patience.attempts):
            if attempt:
                self._wait(min(delay, self._patience.most) * random.uniform(0.75, 1.25))  # noqa: S311 (jitter)
                delay *= 2
            self._wait(self._next - time.monotonic())
            began = time.monotonic()
            self._next = began + self._pace
            try:
                answer = self._web.get(url, params)
            except AnswerTooLarge as failure:
                raise SourceFailed(f"{failure.message} It stands at page {params.get('cursor', 'one')!r}.") from None
            except Unreachable as failure:
                problem = failure.message
                continue
            self._next = began + max(self._pace, min(3 * answer.seconds, self._patience.slowest))
            if answer.status == 200 and not _is_json(answer):
                problem = "The registry answered with something that is not JSON."
            elif answer.status == 429 or answer.status >= 499:
                problem = _sentence(answer)
                delay = max(delay, _retry_after(answer))
            else:
                return answer
        raise SourceFailed(f"{problem} Gave up after {self._patience.attempts} attempts.")

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            self._waiting(seconds)
            time.sleep(seconds)


def _decoded(answer: Answer) -> _List:
    try:
        return msgspec.json.decode(_readable(answer.body), type=_List)
    except msgspec.DecodeError as problem:
        raise SourceFailed(f"The registry's list has another form than expected ({problem}).") from None


def _readable(body: bytes) -> bytes:
    """The body as strict JSON. One document with half a character or a NaN must not hide its ninety-nine neighbours."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except msgspec.DecodeError:
        tolerant = json.loads(body.decode("utf-8", "replace"))
        return json.dumps(_repaired(tolerant)).encode()
    return body


def _repaired(value: Any) -> Any:
    """A decoded value without what strict JSON cannot say."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [_repaired(one) for one in value]
    if isinstance(value, dict):
        return {_repaired(name): _repaired(one) for name, one in value.items()}
    return value


def _is_json(answer: Answer) -> bool:
    try:
        _readable(answer.body)
    except (ValueError, RecursionError):
        return False
    return True


def _sentence(answer: Answer) -> str:
    reason = answer.reason()
    moved = f" It points to {answer.headers.get('Location', 'nowhere')}." if 300 <= answer.status < 400 else ""
    return f"The registry answered {answer.status}{f': {reason}' if reason else '.'}{moved}"


def _retry_after(answer: Answer) -> float:
    """Seconds that the registry asks to wait, at most two minutes."""
    told = answer.headers.get("Retry-After", "")
    try:
        seconds = (
            float(told)
            if told.replace(".", "").isdigit()
            else (parsedate_to_datetime(told) - datetime.now(UTC)).total_seconds()
        )
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, min(seconds, 120.0))
