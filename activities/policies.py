"""Who may read which log lines, and what of a call. Asked by the routes and the sockets.

The log of the hub holds everybody's calls and belongs to the admins; a server's owner reads that server's lines, by
naming it. Above: `logs` routes, the API. Below: the running hub's snapshot, which knows the owners without a query.
"""

from __future__ import annotations

from collections.abc import Collection

from mcphub import plane
from mcphub.actor import Viewer
from mcphub.errors import NotAllowed, NotFound
from mcphub.gateway.snapshot import ServerSpec


def may_read_hub_log(viewer: Viewer) -> bool:
    """Whether the viewer may read and clear the whole log."""
    return viewer.is_admin


def require_log_access(viewer: Viewer, servers: Collection[str]) -> None:
    """Raise unless the viewer may read the lines of these servers (of all, where none is named).

    Raises:
        NotAllowed: the viewer is no admin and names no server, or one that is somebody else's.
        NotFound: a named server does not exist, or the viewer may not know that it does.
    """
    if may_read_hub_log(viewer):
        return
    if not servers:
        raise NotAllowed("Only admins read the whole log; name a server of yours (?server=).")
    known = plane.require().snapshot.servers
    for name in servers:
        spec = known.get(name)
        if spec is None or not _sees(viewer, spec):
            raise NotFound(f"There is no server named {name}.")
        if spec.owner != viewer.username:
            raise NotAllowed(f"Only admins and its owner read the log of {name}.")


def _sees(viewer: Viewer, server: ServerSpec) -> bool:
    if server.owner == viewer.username or server.visibility == "public":
        return True
    return server.visibility == "group" and viewer.username in server.shared_with
