"""The world of data-plane tests, closed after each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.gateway.world import World, server, snapshot, tool


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A hub with two public servers, `a` and `b`, each with the tools echo and add."""
    made = World()
    made.app.swap(snapshot(server("a", tool("echo"), tool("add")), server("b", tool("echo"), tool("add"))))
    yield made
    await made.aclose()
