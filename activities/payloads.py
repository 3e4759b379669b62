"""What is kept of a call's arguments and result, and how it is shown. Above: `sink`, the API, exports. Below: masking.

Secrets never reach the database: known ones, those under telling names, those of a telling shape. A payload that was
cut by the recorder, as it was longer than the setting keeps, becomes an object that says so and shows its beginning.
"""

from __future__ import annotations

import json

import msgspec

from mcphub.gateway.calls import CallRecord as Remembered
from mcphub.masking import is_harmless, masked
from mcphub.secrecy import secrecy

#: Characters of the beginning of a cut payload that are kept.
PREVIEW = 2_000
#: Shown where the setting `activityLog` stores no payloads.
OMITTED = json.dumps({"_omitted": True, "_reason": "Payloads are not stored (activityLog)."}, indent=2)


class Payload(msgspec.Struct, frozen=True, gc=False):
    """A row of `models.CallPayload`."""

    call_id: str
    input: str | None
    output: str | None


def kept(call: Remembered) -> Payload | None:
    """The payloads of a call as they are stored; None where the setting stores none."""
    if call.input is None and call.output is None:
        return None
    # Looked at together: nearly all calls have nothing to hide, and this is done while the hot path waits for the lock.
    text = b"\n".join(filter(None, (call.input, call.output))).decode(errors="replace")
    harmless = is_harmless(text) and not secrecy.occurs(text, call.server)
    return Payload(
        call.id,
        _kept(call.input, call.request_size, call.server, harmless),
        _kept(call.output, call.response_size, call.server, harmless),
    )


def _kept(raw: bytes | None, length: int, server: str, harmless: bool) -> str | None:
    if raw is None:
        return None
    text = raw.decode(errors="replace")
    if harmless:
        # Nothing in it could be masked, so it need not be taken apart; the recorder cut it if it is no JSON.
        return text if _is_json(raw) else _cut(text, length, server)
    try:
        return secrecy.hide_known(msgspec.json.encode(masked(msgspec.json.decode(raw))).decode(), server)
    except (msgspec.DecodeError, RecursionError):
        return _cut(text, length, server)


def _is_json(raw: bytes) -> bool:
    try:
        msgspec.json.decode(raw, type=msgspec.Raw)
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
