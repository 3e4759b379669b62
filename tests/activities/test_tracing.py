"""Spans: one for each call, in the caller's trace, and named to the upstream."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from mcphub.tracing import CallTracer
from tests.tools.hub import META, hub
from tests.tools.processes import fixture_command, until

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FACTS = {"call": "c", "door": "mcp", "revision": "2026-07-28", "session": "", "traceparent": PARENT, "tracestate": None}


def test_a_span_follows_the_conventions_and_hides_secrets() -> None:
    exporter = InMemorySpanExporter()
    tracer = CallTracer(SimpleSpanProcessor(exporter))
    span = tracer.begin("tools/call", "now", "time", FACTS)
    span.end("error", "refused: password=hunter22x", -32602)
    tracer.begin("prompts/get", "p", "time", {**FACTS, "traceparent": 7, "session": "s"}).end("ok", None, None)
    first, second = exporter.get_finished_spans()
    assert (first.name, first.kind.name) == ("tools/call now", "SERVER")
    assert first.attributes is not None
    assert first.attributes["gen_ai.tool.name"] == "now"
    assert (first.attributes["mcp.method.name"], first.attributes["error.type"]) == ("tools/call", "-32602")
    assert first.parent is not None
    assert f"{first.parent.span_id:016x}" == "b7ad6b7169203331"
    assert span.traceparent == f"00-0af7651916cd43dd8448eb211c80319c-{span.ids['spanId']}-01"
    assert "hunter22x" not in str(first.status.description)
    assert second.parent is None
    tracer.close()


@pytest.fixture
def collector() -> Iterator[tuple[str, list[Any]]]:
    got: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            sent = ExportTraceServiceRequest.FromString(body)
            got.extend(span for each in sent.resource_spans for scope in each.scope_spans for span in scope.spans)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()


def test_a_call_through_the_hub_is_exported_and_its_record_names_the_span(collector: tuple[str, list[Any]]) -> None:
    address, got = collector
    command, *arguments = fixture_command("raw_stdio")
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": address, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    with hub({"raw": {"command": command, "args": arguments}}, env=env) as running:
        tool = next(name for name in running.tools() if "echo" in name)
        message = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": tool, "arguments": {"text": "x"}, "_meta": {**META, "traceparent": PARENT}},
        }  # fmt: skip
        running._send("POST", "/mcp", message, running.headers("tools/call", tool))
        until(lambda: got, 15, "an exported span")
        span = got[0]
        assert span.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
        assert span.parent_span_id.hex() == "b7ad6b7169203331"
        calls = until(lambda: running.api("GET", "/activities")[1]["data"], 10, "a stored call")
        assert calls[0]["traceId"] == span.trace_id.hex()
        attributes = {each.key: each.value.string_value for each in span.attributes}
        assert attributes["mcphub.call"] == calls[0]["id"]
        assert json.dumps(attributes)
