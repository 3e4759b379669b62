"""Change the system settings; admins only."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from mcphub.actor import Actor
from mcphub.errors import NotAllowed
from mcphub.masking import masked, restored
from servers import policies, smart_routing, system_config
from servers.actions.noting import note
from servers.models import SystemSettings


@transaction.atomic
def change_settings(*, actor: Actor, values: object, by_api: bool = True) -> dict[str, Any]:
    """Lay values over the stored ones; returns what is stored now, in plain.

    Args:
        values: nested as `systemConfig` is; masked values stand for the stored ones, null clears.
        by_api: False for the settings file, which may also set what the API must not.
    Raises `InvalidInput` (nothing applies, out of bounds, incomplete, or it would lock people out), `NotAllowed`.
    """
    if not policies.may_manage_settings(actor):
        raise NotAllowed("Only admins change the system settings.")
    SystemSettings.objects.get_or_create(pk=1)
    row = SystemSettings.objects.select_for_update().get(pk=1)
    before: dict[str, Any] = row.values
    plain = restored(values, before, masked(before))
    row.values = system_config.changed_values(before, plain, by_api=by_api)
    if by_api and "smartRouting" in plain:
        smart_routing.require_complete(system_config.effective(row.values))
    row.save()
    note("change_settings", actor, "settings", row, _flat(before), _flat(row.values))
    return dict(row.values)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """Members by their dotted paths, so that the audit shows (and masks) the few that changed."""
    return dict(system_config.leaves(values))
