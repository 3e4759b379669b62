"""When smart routing may be switched on: with a database for the vectors and a complete provider of embeddings.

Above: `actions.system`. Below: `errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings

from mcphub.errors import InvalidInput

#: What each provider cannot do without, by the names of `systemConfig.smartRouting`.
_NEEDED = {
    "openai": ("openaiApiKey", "openaiApiBaseUrl", "openaiApiEmbeddingModel"),
    "azure_openai": (
        "azureOpenaiEndpoint",
        "azureOpenaiApiKey",
        "azureOpenaiApiVersion",
        "azureOpenaiEmbeddingDeployment",
    ),
}


class IncompleteSmartRouting(InvalidInput):
    """Smart routing was to be switched on without all it needs."""

    code: ClassVar[str] = "incomplete_smart_routing"
    sentence: ClassVar[str] = "Smart routing needs a database and a complete provider of embeddings."


def require_complete(values: Mapping[str, Any]) -> None:
    """Raises `IncompleteSmartRouting`, naming what is missing, where smart routing is on without all it needs.

    Args:
        values: effective system settings.
    """
    routing = values["smartRouting"]
    if not routing["enabled"]:
        return
    missing = [name for name in _NEEDED[routing["embeddingProvider"]] if not routing.get(name)]
    if not (routing["dbUrl"] or settings.DATABASE_URL):
        missing.insert(0, "dbUrl")
    if missing:
        raise IncompleteSmartRouting(f"Smart routing cannot be switched on without {', '.join(missing)}.")
