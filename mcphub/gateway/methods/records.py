"""What is remembered of a call. Above: `carrying`, `tools`, `prompts`, `resources`. Below: `recorder`, `inquiry`."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TypeVar

from msgspec import Raw

from mcphub.context import call_id
from mcphub.errors import HubError
from mcphub.gateway.calls import CallRecord
from mcphub.gateway.errors import InvalidParams, RpcError
from mcphub.gateway.inquiry import Inquiry
from mcphub.gateway.jsonrpc import EMPTY
from mcphub.gateway.ports import Span

#: Payloads are kept up to this size, in bytes, by the setting that stores them.
PAYLOAD_CAPS = {"off": 0, "masked": 16 * 1024, "full": 100_000}


@dataclass(slots=True)
class Outcome:
    """How a call ended. `started` is epoch seconds, `clock` the reading of `time.perf_counter` at that moment."""

    id: str
    started: float
    clock: float
    status: str = "ok"
    error: str | None = None
    code: int | None = None
    result: Raw | None = None
    span: Span | None = None

    def failed(self, refusal: RpcError | HubError, status: str = "error") -> None:
        """Take over what a refusal says."""
        self.status = status
        self.error = refusal.message
        self.code = refusal.code if isinstance(refusal, RpcError) else refusal.rpc_code


def begin(inquiry: Inquiry) -> Outcome:
    """The outcome of a call that starts now."""
    outcome = Outcome(inquiry.front.new_id(), time.time(), time.perf_counter())
    call_id.set(outcome.id)
    return outcome


def trace(inquiry: Inquiry, outcome: Outcome, server: str, item: str) -> Span | None:
    """Begin the call's span where traces are exported."""
    tracer = inquiry.front.tracer
    if tracer is None:
        return None
    facts = {
        "call": outcome.id,
        "door": inquiry.door,
        "revision": inquiry.revision,
        "session": inquiry.session.key if inquiry.session is not None else "",
        "traceparent": inquiry.meta.traceparent,
        "tracestate": inquiry.meta.tracestate,
    }
    outcome.span = tracer.begin(inquiry.method, item, server, facts)
    return outcome.span


def remember(inquiry: Inquiry, outcome: Outcome, server: str, item: str) -> None:
    """Hand one record to the recorder, and end the call's span."""
    span = outcome.span
    if span is not None:
        span.end(outcome.status, outcome.error, outcome.code)
    if not inquiry.front.switches.record_calls:
        return
    principal = inquiry.principal
    result = outcome.result
    cap = PAYLOAD_CAPS[inquiry.front.switches.store_payloads]
    inquiry.front.recorder.put(
        CallRecord(
            id=outcome.id,
            started=outcome.started,
            duration_ms=(time.perf_counter() - outcome.clock) * 1000,
            method=inquiry.method,
            server=server,
            item=item,
            status=outcome.status,
            route=inquiry.route,
            door=inquiry.door,
            principal=principal.id,
            username=principal.username,
            key_id=principal.key_id,
            key_name=principal.key_name,
            address=inquiry.address,
            group=inquiry.catalog.group,
            request_size=inquiry.size,
            response_size=0 if result is None else memoryview(result).nbytes,
            error=outcome.error,
            error_code=outcome.code,
            input=_capped(inquiry.params.get("arguments", EMPTY), cap) if cap else None,
            output=_capped(result, cap) if cap and result is not None else None,
            trace=None if span is None else span.ids,
        )
    )


R = TypeVar("R", RpcError, InvalidParams)


def refused(inquiry: Inquiry, item: str, refusal: R) -> R:
    """Remember a call that leads nowhere; the caller raises what is returned."""
    outcome = begin(inquiry)
    outcome.failed(refusal, "refused")
    remember(inquiry, outcome, "", item)
    return refusal


def _capped(payload: Raw, cap: int) -> bytes:
    return bytes(memoryview(payload)[:cap])
