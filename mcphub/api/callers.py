"""Who sent a request: its address, its id, and, once authenticated, the `Actor` every action takes."""

from __future__ import annotations

import ipaddress
import re
import secrets

from django.conf import settings
from django.http import HttpRequest
from rest_framework.request import Request

from mcphub.actor import Actor
from mcphub.errors import NotAuthenticated

_USABLE_ID = re.compile(r"[A-Za-z0-9._-]{8,128}")


def id_for(request: HttpRequest) -> str:
    """The sender's `X-Request-Id` where it is usable, else a fresh one (32 hex digits)."""
    sent = request.headers.get("X-Request-Id", "")
    return sent if _USABLE_ID.fullmatch(sent) else secrets.token_hex(16)


def address_of(request: HttpRequest | Request) -> str:
    """The client's address. `X-Forwarded-For` counts only behind as many proxies as TRUST_PROXY says."""
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if settings.TRUST_PROXY:
        hops = [hop.strip() for hop in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",") if hop.strip()]
        # The nearest proxy appended the last entry; anything left of the trusted ones is the client's own claim.
        claimed = hops[-settings.TRUST_PROXY] if len(hops) >= settings.TRUST_PROXY else (hops[0] if hops else "")
        try:
            return str(ipaddress.ip_address(claimed))
        except ValueError:
            return peer
    return peer


def actor_of(request: Request) -> Actor:
    """The authenticated caller. Raises `NotAuthenticated` where there is none (a view open to anyone)."""
    if not isinstance(request.user, Actor):
        raise NotAuthenticated
    return request.user
