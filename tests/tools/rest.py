"""Callers of the REST API through Django's client, for tests that need no running hub."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.test import Client

from accounts.actions import create_key
from accounts.models import BearerKey, User
from accounts.tokens import issue
from mcphub.actor import HUB
from mcphub.gateway.snapshot import ServerSpec, Snapshot, StdioSpec

PASSWORD = "S3cret!pass"


@dataclass(frozen=True)
class Reply:
    """An answer: status, JSON body (None where it has none), headers."""

    status: int
    body: Any
    headers: Any

    @property
    def data(self) -> Any:
        return self.body["data"]


@dataclass(frozen=True)
class Caller:
    """Someone who calls the API with certain headers."""

    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: Any = None, **extra: Any) -> Reply:
        client = Client(raise_request_exception=False)
        sent: dict[str, Any] = {"headers": self.headers | extra.pop("headers", {})} | extra
        # A client that sends no body sends no length either: REST framework then reads no body.
        if body is not None:
            sent |= {"data": body if isinstance(body, str | bytes) else json.dumps(body)}
            sent.setdefault("content_type", "application/json")
        # Test clients lose the encoding of a path; servers do not.
        answer = client.generic(method, path, REQUEST_URI=path, **sent)
        text = answer.content
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Reply(answer.status_code, json.loads(text) if is_json and text else None, answer.headers)

    def get(self, path: str, **extra: Any) -> Reply:
        return self("GET", path, **extra)

    def post(self, path: str, body: Any = None, **extra: Any) -> Reply:
        return self("POST", path, body, **extra)

    def put(self, path: str, body: Any = None, **extra: Any) -> Reply:
        return self("PUT", path, body, **extra)

    def delete(self, path: str, **extra: Any) -> Reply:
        return self("DELETE", path, **extra)


def signed_in(user: User) -> Caller:
    """A user with a fresh dashboard token."""
    return Caller({"x-auth-token": issue(user)})


def key_caller(**known: Any) -> tuple[Caller, BearerKey]:
    """Someone with a new bearer key."""
    key, token = create_key(actor=HUB, name="ci", **known)
    return Caller({"Authorization": f"Bearer {token}"}), key


class StandInHub:
    """A running hub with servers in given states."""

    in_touch = True

    def __init__(self, age: float = 0.0, **states: str) -> None:
        self.started_at = time.time() - age
        servers = {
            name: ServerSpec(name, name, "stdio", StdioSpec("x"), "c", enabled=state != "off")
            for name, state in states.items()
        }
        self.snapshot = Snapshot(servers=servers)
        self._states = {name: {"state": state, "reason": "because"} for name, state in states.items() if state != "new"}

    async def caught_up(self, revision: int) -> None:
        """It serves whatever was written."""

    def states(self) -> Mapping[str, Mapping[str, Any]]:
        return self._states
