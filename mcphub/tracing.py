"""OpenTelemetry: one span for each call, where an exporter is configured; nothing at all where none is.

`OTEL_EXPORTER_OTLP_ENDPOINT` switches it on; the other OTEL_* variables of the SDK count as well (headers, sampler,
resource attributes). Names and attributes follow the semantic conventions for MCP. The caller's context comes from the
request's `_meta` (traceparent, tracestate), and the upstream is given the span's own the same way. Spans leave in
batches from a thread of the SDK. Implements `gateway.ports.Tracer`. Above: `hub`. Below: OpenTelemetry.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_span_id, format_trace_id
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from mcphub.secrecy import secrecy
from mcphub.version import VERSION

_CONTEXT = TraceContextTextMapPropagator()
_ITEM = {"tools/call": "gen_ai.tool.name", "prompts/get": "gen_ai.prompt.name", "resources/read": "mcp.resource.uri"}


class CallSpan:
    """A call that runs; see `gateway.ports.Span`."""

    __slots__ = ("_server", "_span", "ids", "traceparent")

    def __init__(self, span: Span, server: str) -> None:
        context = span.get_span_context()
        trace, own = format_trace_id(context.trace_id), format_span_id(context.span_id)
        self._span = span
        self._server = server
        self.traceparent = f"00-{trace}-{own}-{int(context.trace_flags):02x}"
        self.ids: Mapping[str, str] = {"traceId": trace, "spanId": own}

    def end(self, status: str, error: str | None, code: int | None) -> None:
        if status != "ok":
            self._span.set_attribute("error.type", str(code) if code is not None else status)
            if code is not None:
                self._span.set_attribute("rpc.response.status_code", str(code))
            self._span.set_status(Status(StatusCode.ERROR, secrecy.hide(error or status, self._server)))
        self._span.end()


class CallTracer:
    """Makes the spans; see `gateway.ports.Tracer`. `processor` is for tests; the default exports over OTLP/HTTP."""

    def __init__(self, processor: SpanProcessor | None = None) -> None:
        resource = Resource.create(
            {"service.name": os.environ.get("OTEL_SERVICE_NAME", "mcphub"), "service.version": VERSION}
        )
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("mcphub", VERSION)

    def begin(self, method: str, item: str, server: str, facts: Mapping[str, Any]) -> CallSpan:
        carrier = {name: value for name in ("traceparent", "tracestate") if isinstance(value := facts[name], str)}
        attributes = {
            "mcp.method.name": method,
            "mcp.protocol.version": facts["revision"],
            "mcphub.server": server,
            "mcphub.call": facts["call"],
            "mcphub.door": facts["door"],
            _ITEM.get(method, "mcphub.item"): item,
        }
        if method == "tools/call":
            attributes["gen_ai.operation.name"] = "execute_tool"
        if facts["session"]:
            attributes["mcp.session.id"] = facts["session"]
        span = self._tracer.start_span(
            f"{method} {item}" if method != "resources/read" else method,
            context=_CONTEXT.extract(carrier) if carrier else None,
            kind=SpanKind.SERVER,
            attributes=attributes,
        )
        return CallSpan(span, server)

    def close(self) -> None:
        """Send what is left, for a few seconds at most."""
        self._provider.shutdown()
