"""The lines on stdout."""

from __future__ import annotations

import logging

import pytest
from redis.exceptions import ConnectionError as RedisAway


def tell(failure: Exception) -> None:
    """As the library of Channels tells of a failure."""
    try:
        raise failure
    except type(failure):
        logging.getLogger("channels_redis.pubsub").exception("Unexpected exception in receive task")


def test_an_outage_of_redis_is_one_line_and_other_failures_keep_their_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    for _ in range(5):
        tell(RedisAway("Connection refused."))
    tell(KeyError("channel"))
    outage, other = caplog.records
    assert (outage.getMessage(), outage.exc_info) == ("Redis cannot be reached: Connection refused.", None)
    assert other.exc_info is not None
