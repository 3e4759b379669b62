"""What only a real server shows: bodies in chunks, encoded slashes, the base path, bodies without an end."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.tools.hub import TestHub, hub

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def mounted() -> Iterator[TestHub]:
    """A hub below /hub."""
    with hub(env={"BASE_PATH": "/hub"}) as running:
        yield running


def send(target: TestHub, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """One request as it stands, its path unchanged; status and JSON (or text)."""
    connection = http.client.HTTPConnection(urlsplit(target.url).netloc, timeout=30)
    try:
        sent = {"Authorization": f"Bearer {target.key}", "Content-Type": "application/json"} | headers
        connection.request(method, path, body, sent, encode_chunked="Transfer-Encoding" in sent)
        answer = connection.getresponse()
        text = answer.read()
        is_json = "json" in (answer.getheader("Content-Type") or "")
        return answer.status, json.loads(text) if is_json and text else text
    finally:
        connection.close()


def test_a_body_in_chunks_is_read(mounted: TestHub) -> None:
    user = json.dumps({"username": "chunky", "password": "S3cret!pass"}).encode()
    pieces = [user[:10], user[10:]]
    status, body = send(mounted, "POST", "/hub/api/users", pieces, **{"Transfer-Encoding": "chunked"})
    assert (status, body["data"]["username"]) == (201, "chunky")


def test_a_body_in_chunks_counts_against_the_limit(mounted: TestHub) -> None:
    pieces = [b'{"a": "'] + [b"x" * 65536] * 128 + [b'"}']
    assert send(mounted, "POST", "/hub/api/users", pieces, **{"Transfer-Encoding": "chunked"})[0] == 413


def test_a_body_without_an_end_is_refused_before_it_is_stored(mounted: TestHub) -> None:
    """The hub's limit is 8 MB: 130 chunks of 64 kB are over it, and the last one is never finished."""
    head = b"POST /hub/api/auth/login HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection((urlsplit(mounted.url).hostname, urlsplit(mounted.url).port), timeout=30) as peer:
        peer.sendall(head + chunk * 129 + chunk[:1000])
        assert peer.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_body_that_announces_too_much_is_refused_at_once(mounted: TestHub) -> None:
    status, body = send(mounted, "POST", "/hub/api/auth/login", b"{}", **{"Content-Length": str(10**12)})
    assert (status, body["code"]) == (413, "too_large")


def test_a_slash_inside_a_name_stays_inside(mounted: TestHub) -> None:
    status, body = send(mounted, "GET", "/hub/api/users/a%2Fb")
    assert (status, body["message"]) == (404, "There is no such user.")
    assert send(mounted, "GET", "/hub/api/users/a/b")[1]["message"] == "There is no such path in this API."


@pytest.mark.parametrize("path", ["/api/auth/user", "/hubx/api/auth/user", "/config", "/hub/health/x"])
def test_outside_the_base_path_there_is_nothing(mounted: TestHub, path: str) -> None:
    assert send(mounted, "GET", path)[0] == 404


@pytest.mark.parametrize(
    "path", ["/hub/api/auth/user", "/hub/config", "/hub/public-config", "/health", "/hub/api/schema/"]
)
def test_inside_and_at_the_root_there_is_what_belongs_there(mounted: TestHub, path: str) -> None:
    assert send(mounted, "GET", path)[0] == 200


def test_the_root_leads_to_the_base_path(mounted: TestHub) -> None:
    connection = http.client.HTTPConnection(urlsplit(mounted.url).netloc, timeout=30)
    connection.request("GET", "/")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (302, "/hub/")
    connection.close()


def test_the_description_names_the_base_path(mounted: TestHub) -> None:
    assert send(mounted, "GET", "/hub/api/schema/")[1]["servers"] == [{"url": "/hub"}]


def test_head_reads_without_a_body(mounted: TestHub) -> None:
    assert send(mounted, "HEAD", "/hub/api/users") == (200, b"")
