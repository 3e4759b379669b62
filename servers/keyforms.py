"""The form of a bearer key: from what a browser sends to what the actions take. Pure.

Above: the keys' pages. Below: nothing; `accounts.actions` judges what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.http import QueryDict

from mcphub.errors import InvalidInput

#: How long a key may live, in days; "" for ever, "date" until the day that is given.
LIFETIMES = {"": "Never", "7": "In 7 days", "30": "In 30 days", "90": "In 90 days", "365": "In a year", "date": "On …"}
_OWN = ("name", "note")


def key_from(sent: QueryDict, now: datetime) -> dict[str, Any]:
    """The members that a new key and a changed one share. Raises `InvalidInput`."""
    known: dict[str, Any] = {name: sent.get(name, "") for name in _OWN}
    if "expires" in sent:
        known["expires_at"] = _expiry(sent.get("expires", ""), sent.get("expires_on", ""), now)
    if "access" in sent:
        known["access"] = sent["access"]
        known["allowed_groups"] = _listed(sent, "groups", ("groups", "custom"))
        known["allowed_servers"] = _listed(sent, "servers", ("servers", "custom"))
    return known


def _listed(sent: QueryDict, name: str, accesses: Sequence[str]) -> list[str]:
    """What is ticked, where the chosen access reads it: a list that is hidden says nothing."""
    return sent.getlist(name) if sent.get("access") in accesses else []


def _expiry(lifetime: str, day: str, now: datetime) -> datetime | None:
    if lifetime == "date":
        try:
            return datetime.combine(date.fromisoformat(day), time.max, UTC)
        except ValueError:
            raise InvalidInput("Say on which day the key expires.") from None
    return now + timedelta(days=int(lifetime)) if lifetime in LIFETIMES and lifetime else None
