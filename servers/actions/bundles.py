"""Keep uploaded MCPB bundles, and register the servers they describe; admins only, as they hold programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import transaction

from mcphub.actor import Actor
from mcphub.changes import Change, changed
from mcphub.errors import NotAllowed
from servers import bundles, policies
from servers.actions.servers import add_server, change_server
from servers.models import Server


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle that was unpacked. `server` is the one it was registered as, if it was."""

    manifest: dict[str, Any]
    folder: Path
    server: Server | None = None


def keep_bundle(file: IO[bytes], *, actor: Actor, register: bool = False) -> Kept:
    """Unpack a bundle into the data folder, under its name and version.

    Args:
        register: add the server it describes, under the bundle's name; one that is there gets the new command.
    Raises `InvalidInput` (no bundle, or an unsafe one), `NotAllowed`.
    """
    if not policies.may_manage_settings(actor):
        raise NotAllowed("Only admins upload bundles.")
    with bundles.opened(file) as bundle:
        folder = bundles.unpacked(bundle, settings.MCPHUB_DATA_DIR.resolve() / "uploads" / "mcpb")
        config = bundles.server_config(bundle, folder) if register else {}
    with transaction.atomic():
        told = {"name": bundle.name, "version": bundle.version}
        changed(Change("servers.keep_bundle", actor, "bundle", subject_name=bundle.name, after=told))
        if not register:
            return Kept(bundle.manifest, folder)
        if Server.objects.filter(name=bundle.name).exists():
            server = change_server(bundle.name, actor=actor, config=config)
        else:
            server = add_server(actor=actor, name=bundle.name, config=config)
    return Kept(bundle.manifest, folder, server)
