"""Who may see, read and manage what exists. Pure questions, asked by every door; owner, admin, visibility, sharing.

Using and managing are two things: whoever sees a server may use it, only its owner and admins read how it is reached.
Above: `lookups`, `actions`, the doors. Below: `models`.
"""

from __future__ import annotations

from mcphub.actor import Viewer
from servers.models import Group, Server, Visibility


def may_see(viewer: Viewer, thing: Server | Group) -> bool:
    """Whether the viewer may know of it and use it."""
    if may_manage(viewer, thing) or thing.visibility == Visibility.PUBLIC:
        return True
    return thing.visibility == Visibility.GROUP and viewer.username in thing.shared_with


def may_manage(viewer: Viewer, thing: Server | Group) -> bool:
    """Whether the viewer may change or remove it."""
    return viewer.is_admin or (bool(viewer.username) and thing.owner == viewer.username)


def may_read_config(viewer: Viewer, server: Server) -> bool:
    """Whether the viewer may read how the server is reached (secrets stay masked even so)."""
    return may_manage(viewer, server)


def may_manage_settings(viewer: Viewer) -> bool:
    """System settings, and what the hub itself offers to everyone, are the admins'."""
    return viewer.is_admin
