"""The system settings that the REST glue obeys, read for each request so that a change counts at once.

System settings live in the servers app, above this package; `settings.API_SWITCHES` names the function that reads
them (the way AUTH_USER_MODEL names a model).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.module_loading import import_string


@dataclass(frozen=True, slots=True)
class ApiSwitches:
    """What `systemConfig.routing` says about the REST API. `body_limit` in bytes."""

    skip_auth: bool = False
    bearer_auth: bool = True
    bearer_header: str = "Authorization"
    body_limit: int = 1024 * 1024


def switches() -> ApiSwitches:
    """The switches as stored now."""
    found = import_string(settings.API_SWITCHES)()
    assert isinstance(found, ApiSwitches)
    return found
