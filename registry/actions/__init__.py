"""Every change to the registry. Each action is atomic, takes `actor` by keyword, and tells `mcphub.changes`.

Above: the API, the admin, the pages, jobs, commands. Below: `readings`, `policies`, `planning`, `search`, `models`.
"""

from registry.actions.catalogue import (
    AlreadyExists,
    NoEntry,
    change_entry,
    create_entry,
    delete_entry,
    load_catalogue,
    restore_fields,
    set_status,
)
from registry.actions.installs import install_entry, plan_install, ways_for
from registry.actions.requests import decide_request, request_entry
from registry.actions.selections import (
    Applied,
    Switched,
    VersionConflict,
    apply_selection,
    set_selection,
    switch_server,
)
from registry.actions.sources import (
    accept_reset,
    add_source,
    change_source,
    ensure_sources,
    remove_source,
    request_sync,
)

__all__ = [
    "AlreadyExists",
    "Applied",
    "NoEntry",
    "Switched",
    "VersionConflict",
    "accept_reset",
    "add_source",
    "apply_selection",
    "change_entry",
    "change_source",
    "create_entry",
    "decide_request",
    "delete_entry",
    "ensure_sources",
    "install_entry",
    "load_catalogue",
    "plan_install",
    "remove_source",
    "request_entry",
    "request_sync",
    "restore_fields",
    "set_selection",
    "set_status",
    "switch_server",
    "ways_for",
]
