"""One hub for the whole table: what its tests change, they change back or does not matter to the others."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.policy.world import World, everyone


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    with everyone() as found:
        yield found
