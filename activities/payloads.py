"""What is kept of a call's arguments and result, and how it is shown. Above: `sink`, the API, exports. Below: masking.

Secrets never reach the database: known ones, those under telling names, those of a telling shape. A payload that was
cut by the recorder, as it was longer than the setting keeps, becomes an object that says so and shows its beginning.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from mcphub.gateway.calls import CallRecord as Remembered
from mcphub.masking import masked, suspicious
from mcphub.secrecy import secrecy

#: Characters of the beginning of a cut payload that are kept.
PREVIEW = 2_000
#: Shown where the setting `activityLog` stores no payloads.
OMITTED = json.dumps({"_omitted": True, "_reason": "Payloads are not stored (activityLog)."}, indent=2)


_ANY = msgspec.json.Decoder(msgspec.Raw)


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A row of `models.CallPayload`."""

    call_id: str
    input: str | None
    output: str | None


def kept(calls: Sequence[Remembered]) -> list[Payload]:
    """The payloads of these calls as they are stored; none of those whose payloads the setting does not store."""
    calls = [call for call in calls if call.input is not None or call.output is not None]
    # Looked through together: nearly all have nothing to hide, and the hot path waits while Python does it one by one.
    suspects = suspicious([(call.input or b"") + b"\n" + (call.output or b"") for call in calls])
    return [_payload(call, number in suspects) for number, call in enumerate(calls)]


def _payload(call: Remembered, suspect: bool) -> Payload:
    return Payload(
        call.id,
        _kept(call.input, call.request_size, call.server, suspect),
        _kept(call.output, call.response_size, call.server, suspect),
    )


def _kept(raw: bytes | None, length: int, server: str, suspect: bool) -> str | None:
    if raw is None:
        return None
    text = raw.decode(errors="replace")
    if not suspect and _is_json(raw):  # else the recorder cut it
        # Nothing in it looks like a secret, so it need not be taken apart.
        return secrecy.hide_known(text, server)
    try:
        return secrecy.hide_known(msgspec.json.encode(masked(msgspec.json.decode(raw))).decode(), server)
    except (msgspec.DecodeError, RecursionError):
        return _cut(text, length, server)


def _is_json(raw: bytes) -> bool:
    try:
        _ANY.decode(raw)
    except msgspec.DecodeError:
        return False
    return True


def _cut(text: str, length: int, server: str) -> str:
    return json.dumps(
        {
            "_truncated": True,
            "_message": "The payload is longer than what is stored.",
            "_originalLength": length,
            # Hidden first and cut then, so that no half of a secret stays.
            "_preview": secrecy.hide(text, server)[:PREVIEW],
        }
    )


def shown(stored: str | None) -> str | None:
    """A stored payload as indented JSON text."""
    if stored is None:
        return None
    try:
        return json.dumps(json.loads(stored), indent=2, ensure_ascii=False)
    except ValueError:
        return stored
