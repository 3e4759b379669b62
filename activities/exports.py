"""Exports: rows as CSV or JSON Lines, streamed in the order of the lists, whatever their number.

Rows are fetched a thousand at a time behind the last one that was sent, so an export of millions holds a thousand in
memory and no transaction open. Above: the API, the pages. Below: `criteria`, `models`, the bridge.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec
from django.db.models import Model, Q, QuerySet
from django.http import StreamingHttpResponse

from activities.criteria import Criteria
from activities.models import AuditEntry, CallRecord
from mcphub.bridge import in_database
from mcphub.errors import InvalidInput

Form = Literal["csv", "jsonl"]
MEDIA: dict[Form, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}
_AT_ONCE = 1000
#: A cell that begins so is a formula to a spreadsheet.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_encode = msgspec.json.Encoder(enc_hook=str).encode

Row = TypeVar("Row", bound=Model)
Shape = Callable[[Row], dict[str, Any]]


def form_of(query: Mapping[str, str]) -> Form:
    """The form a query asks for by `format`; CSV where it names none. Raises `InvalidInput`."""
    for form in MEDIA:
        if query.get("format", "csv") == form:
            return form
    raise InvalidInput(f"format must be one of {', '.join(MEDIA)}.")


def download(body: AsyncIterator[bytes], name: str, form: Form) -> StreamingHttpResponse:
    """A file that is made while it is sent."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    headers = {"Content-Disposition": f'attachment; filename="{name}-{stamp}.{form}"'}
    return StreamingHttpResponse(body, content_type=MEDIA[form], headers=headers)


def calls(asked: Criteria, form: Form, shape: Shape[CallRecord]) -> AsyncIterator[bytes]:
    """All calls that are asked for."""

    def following(last: CallRecord | None) -> QuerySet[CallRecord]:
        rows = asked.calls().select_related("payload")
        return rows if last is None else rows.filter(_before(last))

    return _written(following, form, shape)


def _before(last: CallRecord) -> Q:
    # Written so that the index on the time is used: `started <= x` finds the place, the rest decides within it.
    return Q(started__lte=last.started) & (Q(started__lt=last.started) | Q(id__lt=last.id))


def audit(asked: QuerySet[AuditEntry], form: Form, shape: Shape[AuditEntry]) -> AsyncIterator[bytes]:
    """All audit entries that are asked for."""
    return _written(lambda last: asked if last is None else asked.filter(pk__lt=last.pk), form, shape)


async def _written(
    following: Callable[[Row | None], QuerySet[Row]], form: Form, shape: Shape[Row]
) -> AsyncIterator[bytes]:
    last: Row | None = None
    while True:
        rows, text = await in_database(_portion, following, last, form, shape)
        if text:
            yield text
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1]


def _portion(
    following: Callable[[Row | None], QuerySet[Row]], last: Row | None, form: Form, shape: Shape[Row]
) -> tuple[Sequence[Row], bytes]:
    rows = list(following(last)[:_AT_ONCE])
    shaped = [shape(row) for row in rows]
    if form == "jsonl":
        return rows, b"".join(_encode(each) + b"\n" for each in shaped)
    return rows, _csv(shaped, header=last is None)


def _csv(rows: Sequence[dict[str, Any]], *, header: bool) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    if header and rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_cell(value) for value in row.values()])
    return out.getvalue().encode()


def _cell(value: Any) -> Any:
    if isinstance(value, dict | list):
        return _encode(value).decode()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else value
