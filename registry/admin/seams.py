"""Refusals as messages of the registry's admin, where several things are done at once. Below: unfold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from mcphub.errors import HubError


@contextmanager
def told(request: HttpRequest) -> Iterator[None]:
    """A refusal becomes a message on the next page instead of an error page."""
    try:
        yield
    except HubError as refusal:
        messages.error(request, refusal.message)
