"""Begin anew with a server's package, or with its tokens."""

from __future__ import annotations

from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import InvalidInput
from servers.actions.noting import note_server
from servers.actions.servers import reload_server
from servers.caches import forget_package, is_runner
from servers.lookups import managed_server
from servers.models import Server

#: What `forget_tokens` removes from a configuration's `oauth`.
_TOKENS = ("accessToken", "refreshToken", "pendingAuthorization")
_CLIENT = ("clientId", "clientSecret")


def reinstall_server(name: str, *, actor: Actor) -> Server:
    """Forget the cached package that `npx` or `uvx` starts a server from, and connect anew.

    Raises `InvalidInput` (started otherwise, or switched off), `NotFound`, `NotAllowed`.
    """
    server = managed_server(actor, name)
    command = server.config.get("command", "")
    if server.transport != "stdio" or not is_runner(command):
        raise InvalidInput("Only servers that are started by npx or uvx can be installed again.")
    if not server.enabled:
        raise InvalidInput("The server is switched off.")
    # Outside the transaction: emptying a cache takes seconds, and no lock may be held that long.
    forget_package(command, server.config.get("args", []))
    return reload_server(name, actor=actor)


@transaction.atomic
def forget_tokens(name: str, *, actor: Actor, scope: object = "tokens") -> Server:
    """Remove the tokens stored for a server ("tokens"), or its registered client as well ("all"), and connect anew.

    Raises `InvalidInput`, `NotFound`, `NotAllowed`.
    """
    if scope not in ("tokens", "all"):
        raise InvalidInput("scope must be tokens or all.")
    server = managed_server(actor, name, lock=True)
    oauth = server.config.get("oauth")
    gone = _TOKENS if scope == "tokens" else _TOKENS + _CLIENT
    kept = {member: value for member, value in (oauth or {}).items() if member not in gone}
    if not isinstance(oauth, dict) or kept == oauth:
        return server
    before, server.config = server.config, {**server.config, "oauth": kept}
    server.save(update_fields=["config", "updated_at"])
    note_server("forget_tokens", server, actor, {"oauth": before["oauth"]}, {"oauth": kept})
    return reload_server(name, actor=actor)
