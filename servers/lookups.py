"""Fetching one server or group for someone: access is decided here, so no way to an object skips the question.

Above: `actions`, the doors. Below: `policies`, `models`.
"""

from __future__ import annotations

import re
import uuid

from django.db.models import QuerySet

from mcphub.actor import Viewer
from mcphub.errors import NotAllowed, NotFound
from mcphub.texts import findable
from servers import policies
from servers.models import Group, Server

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)


def visible_server(viewer: Viewer, name: str) -> Server:
    """The server of that name. Raises `NotFound` where there is none, or the viewer may not know of it."""
    server = Server.objects.visible_to(viewer).filter(name=findable(name)).first()
    if server is None:
        raise _no_server(name)
    return server


def managed_server(viewer: Viewer, name: str, *, lock: bool = False) -> Server:
    """The server of that name, to be changed; `lock` keeps its row until the transaction ends.

    Raises `NotFound` where the viewer may not know of it, `NotAllowed` where it may only be used.
    """
    rows: QuerySet[Server] = Server.objects.select_for_update() if lock else Server.objects.all()
    server = rows.filter(name=findable(name)).first()
    if server is None or not policies.may_see(viewer, server):
        raise _no_server(name)
    if not policies.may_manage(viewer, server):
        raise NotAllowed(f"Only its owner and admins may manage the server {name!r}.")
    return server


def visible_group(viewer: Viewer, key: str, *, by_name: bool = True) -> Group:
    """The group with that id, or (where allowed) that name. Raises `NotFound`."""
    group = Group.objects.visible_to(viewer).filter(**_group_key(key, by_name)).first()
    if group is None:
        raise _no_group()
    return group


def managed_group(viewer: Viewer, key: str, *, lock: bool = False) -> Group:
    """The group with that id or name, to be changed. Raises `NotFound` also where it may only be used."""
    rows: QuerySet[Group] = Group.objects.select_for_update() if lock else Group.objects.all()
    group = rows.filter(**_group_key(key, by_name=True)).first()
    if group is None or not policies.may_manage(viewer, group):
        raise _no_group()
    return group


def identity(text: object) -> uuid.UUID | None:
    """The UUID a text is, or None; only the usual spelling counts."""
    return uuid.UUID(text) if isinstance(text, str) and _UUID.fullmatch(text) else None


def _group_key(key: str, by_name: bool) -> dict[str, object]:
    known = identity(key)
    if known is not None:
        return {"pk": known}
    return {"name": findable(key)} if by_name else {"pk": None}


def _no_server(name: str) -> NotFound:
    return NotFound(f"There is no server named {name!r}.")


def _no_group() -> NotFound:
    return NotFound("There is no such group.")
