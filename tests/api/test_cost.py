"""The estimate of tokens: its shape, its steadiness, its speed."""

from __future__ import annotations

import itertools
import time

import pytest

from mcphub.gateway.inventory import Item
from mcphub.gateway.snapshot import Offer
from servers.cost import cost_of, tokens

#: Texts whose number of cl100k tokens the tokenizer's own documentation tells, or that its rules leave no doubt about.
KNOWN = [
    ("tiktoken is great!", 6),
    ("antidisestablishmentarianism", 6),
    ("2 + 2 = 4", 7),
    ("お誕生日おめでとう", 9),
    ("additionalProperties", 2),
    ('{"type":"object","properties":{"text":{"type":"string"}},"required":["text"]}', 17),
    ("The quick brown fox jumps over the lazy dog.", 10),
]


@pytest.mark.parametrize(("text", "expected"), KNOWN)
def test_the_estimate_lies_near_what_is_known(text: str, expected: int) -> None:
    assert abs(tokens(text) - expected) <= 2


def test_an_empty_text_costs_nothing_and_a_longer_one_no_less() -> None:
    assert tokens("") == 0
    text = 'Reads "a file", line by line; returns 12345 lines at most.\n\tÜber Ünïcode и кириллица 漢字 🙂'
    costs = [tokens(text[:length]) for length in range(len(text) + 1)]
    assert all(later >= earlier - 1 for earlier, later in itertools.pairwise(costs))
    assert costs[-1] < len(text)


def offer(description: str | None = None) -> Offer:
    raw = b'{"name":"now","description":"The current time","inputSchema":{"type":"object"},"annotations":{"x":1}}'
    return Offer(Item.of("tool", raw), description=description)


def test_an_item_costs_what_clients_are_shown_of_it() -> None:
    plain = cost_of(offer(), "time-now")
    assert cost_of(offer(), "time-now") == plain
    assert cost_of(offer("The current time, in UTC, to the second"), "time-now") > plain
    assert cost_of(offer(""), "time-now") < plain
    assert cost_of(offer(), "a-server-with-a-very-long-name-now") > plain


def test_counting_is_fast_whatever_the_text() -> None:
    for text in ("a" * 200_000, " " * 200_000, '"' * 200_000, "漢" * 200_000, "a1_" * 70_000, "\n " * 100_000):
        started = time.perf_counter()
        tokens(text)
        assert time.perf_counter() - started < 2
