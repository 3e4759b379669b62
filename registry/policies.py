"""Who may do what with the registry. Pure questions, asked by every door. Above: `actions`. Below: `models`."""

from __future__ import annotations

from mcphub.actor import Viewer
from registry.models import Entry, Status


def is_offered(entry: Entry) -> bool:
    """Whether users see it."""
    return entry.status in (Status.APPROVED, Status.DEPRECATED) and entry.availability != "deleted"


def may_install(viewer: Viewer, entry: Entry) -> bool:
    """Admins install anything they see, drafts included; users what an admin opened to them."""
    return viewer.is_admin or (entry.self_service and is_offered(entry) and bool(viewer.username))
