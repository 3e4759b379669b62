"""From an HTTP answer to the result of a tool call: text, images, files, structured content, or a failure. Pure.

Above: the upstream. Below: `operations`. The body's bytes are kept: a JSON answer is spliced into the result.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from mcphub.gateway.upstreams.openapi_spec.bodies import is_json
from mcphub.gateway.upstreams.openapi_spec.fitting import fit
from mcphub.gateway.upstreams.openapi_spec.operations import Operation

_FAILURE_LIMIT = 100_000
_TEXT = re.compile(
    r"text/|application/(?:xml|yaml|x-yaml|javascript|x-www-form-urlencoded|x-ndjson|toml|graphql)|[^;]+\+(?:xml|yaml)"
)
_SECRET_MEMBER = re.compile(
    r'("(?:[^"\\]{0,60}?(?:password|passwd|secret|token|api[_-]?key|authorization|credential|cookie)[^"\\]{0,20})"\s*:\s*)'
    r'"(?:[^"\\]|\\.)*"',
    re.IGNORECASE,
)
_HIDDEN = "********"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the service answered. `media_type` is its Content-Type header, `location` where a redirect leads."""

    status: int
    reason: str
    media_type: str
    body: bytes
    location: str = ""


def result_of(operation: Operation, answer: Answer, secrets: Iterable[str] = ()) -> bytes:
    """The result object (JSON bytes) of a call that `answer` came back for. `secrets` never appear in failures."""
    if not 200 <= answer.status < 300:
        return failure(_told(answer, secrets))
    if not answer.body:
        content = [_text(f"{answer.status} {answer.reason}".strip())]
        return _encoded(content, _structured(operation, b"", None, content))
    kind = answer.media_type.partition(";")[0].strip().lower()
    if is_json(kind) or not kind:
        try:
            value = msgspec.json.decode(answer.body)
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            content = [_text(_decoded(answer))]
            return _encoded(content, _structured(operation, answer.body, value, content))
    content = [_content(operation, kind, answer)]
    return _encoded(content, _structured(operation, b"", None, content) if operation.output else None)


def failure(sentence: str) -> bytes:
    """A result that tells the model what went wrong."""
    return msgspec.json.encode({"content": [_text(sentence)], "isError": True})


def masked(text: str, secrets: Iterable[str]) -> str:
    """`text` without the hub's own credentials and without the values of members that sound like secrets."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return _SECRET_MEMBER.sub(rf'\1"{_HIDDEN}"', text)


def _told(answer: Answer, secrets: Iterable[str]) -> str:
    sentence = f"API call failed: {answer.status} {answer.reason}".rstrip()
    if answer.location:
        sentence += f" (redirects are not followed: {answer.location})"
    kind = answer.media_type.partition(";")[0].strip().lower()
    if answer.body and (is_json(kind) or not kind or _TEXT.match(kind)):
        sentence += f"\n{_decoded(answer)[:_FAILURE_LIMIT]}"
    return masked(sentence, secrets)


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _decoded(answer: Answer) -> str:
    charset = re.search(r"charset=\"?([\w.:-]+)", answer.media_type, re.IGNORECASE)
    try:
        return answer.body.decode(charset.group(1) if charset else "utf-8", errors="replace")
    except LookupError:
        return answer.body.decode(errors="replace")


def _content(operation: Operation, kind: str, answer: Answer) -> dict[str, Any]:
    """The block for an answer that is not JSON."""
    if not kind or is_json(kind) or _TEXT.match(kind):
        return _text(_decoded(answer))
    data = base64.b64encode(answer.body).decode()
    family = kind.partition("/")[0]
    if family in ("image", "audio"):
        return {"type": family, "data": data, "mimeType": kind}
    # Not the service's address, which those who may only use a server are not told.
    uri = f"openapi:///{quote(operation.name)}"
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "blob": data}}


def _encoded(content: list[dict[str, Any]], structured: bytes | None) -> bytes:
    result: dict[str, Any] = {"content": content, "isError": False}
    if structured is not None:
        result["structuredContent"] = Raw(structured)
    return msgspec.json.encode(result)


# -- structured content -------------------------------------------------------------------------------------------


def _structured(operation: Operation, body: bytes, value: Any, content: list[dict[str, Any]]) -> bytes | None:
    """The answer as an object that keeps the promise of the output schema; None where there is nothing to promise.

    A member that breaks the promise is left out and named in a text block: strict clients would refuse the whole
    result, and the complete answer is in the text anyway.
    """
    if operation.output is None:
        return _one_line(body) if isinstance(value, dict) else None
    offered = {"result": value} if operation.wrapped else value
    if not isinstance(offered, dict):
        offered = {}
    fitted, misfits = fit(offered, operation.output)
    if misfits:
        shown = ", ".join(misfits[:5]) + (", …" if len(misfits) > 5 else "")
        content.append(_text(f"The structured content leaves out what the service did not describe so: {shown}"))
        return msgspec.json.encode(fitted)
    if not body:
        return msgspec.json.encode(offered)
    compact = _one_line(body)
    if operation.wrapped:
        return b'{"result":%s}' % compact
    return compact if isinstance(value, dict) else b"{}"


def _one_line(body: bytes) -> bytes:
    """JSON without line breaks, which would end an event or a line of stdio."""
    return msgspec.json.format(body, indent=-1) if b"\n" in body or b"\r" in body else body
