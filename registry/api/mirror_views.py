"""The mirrored registry in the words of the dashboard's contract (section 20), and the changelog (section 21)."""

from __future__ import annotations

from datetime import UTC, datetime

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.documents import ANY_OBJECT
from mcphub.api.envelope import reply
from mcphub.api.operations import operation
from mcphub.api.pages import whole_parameter
from mcphub.api.views import HubView
from mcphub.errors import InvalidInput
from registry import browse, changelog

LIST_PARAMETERS = (
    OpenApiParameter("cursor", str, description="Where the page before ended."),
    OpenApiParameter("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 30}),
    OpenApiParameter("search", str, description="Text that the name holds."),
    OpenApiParameter("updated_since", str, description="RFC 3339; strictly later, deleted versions included."),
    OpenApiParameter("version", str, description="`latest`, or an exact version."),
    OpenApiParameter("include_deleted", bool),
)
_SOURCE = OpenApiParameter("source", str, description="Slug of another mirrored registry than the first.")
_NAME = OpenApiParameter("serverName", str, required=True)
_PAGE = {"servers": [], "metadata": {"count": 0}}
_NO_NEWS: dict[str, object] = {
    "latestVersion": None, "hasUpdate": False, "entries": [], "totalUpdateCount": 0, "changelogUrl": "",
    "allChangelogUrl": "", "source": "disabled",
}  # fmt: skip
_AWAY = {404: "There is no such server, or no registry is enabled.", 502: "The registry could not be reached."}


def asked(request: Request, *, most: int = browse.MOST) -> browse.Asked:
    """The parameters of a list in the official API's words. Raises `InvalidInput`."""
    query = request.query_params
    limit = whole_parameter(request, "limit", browse.LIMIT)
    return browse.Asked(
        cursor=query.get("cursor", ""),
        limit=min(limit, most),
        search=query.get("search", "").strip(),
        since=_moment(query.get("updated_since", "")),
        version=query.get("version", "").strip(),
        deleted=query.get("include_deleted", "").lower() == "true",
    )


def _moment(text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput("updated_since must be a time in RFC 3339 form.", data={"field": "updated_since"}) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class _Mirror(HubView):
    tag = "Registry mirror"


class Servers(_Mirror):
    """GET /api/registry/servers."""

    @operation(
        "List the mirrored registry",
        note="Answers from the mirror, offline too; before the first synchronisation from the registry itself.",
        query=(*LIST_PARAMETERS, _SOURCE),
        data=ANY_OBJECT,
        example={"success": True, "data": _PAGE},
        refuses=_AWAY,
    )
    def get(self, request: Request) -> Response:
        source = browse.default_source(request.query_params.get("source", ""))
        return reply(browse.mirror_page(source, asked(request)))


class Versions(_Mirror):
    """GET /api/registry/servers/versions."""

    @operation(
        "List all versions of a server",
        query=(_NAME, _SOURCE),
        data=ANY_OBJECT,
        example={"success": True, "data": _PAGE},
        refuses=_AWAY,
    )
    def get(self, request: Request) -> Response:
        name = _required(request, "serverName")
        return reply(browse.mirror_versions(browse.default_source(request.query_params.get("source", "")), name))


class Version(_Mirror):
    """GET /api/registry/servers/version."""

    @operation(
        "Read one version of a server",
        query=(_NAME, OpenApiParameter("version", str, required=True, description="`latest` or a version."), _SOURCE),
        data=ANY_OBJECT,
        example={"success": True, "data": {"server": {}, "_meta": {}}},
        refuses=_AWAY,
    )
    def get(self, request: Request) -> Response:
        name, version = _required(request, "serverName"), _required(request, "version")
        source = browse.default_source(request.query_params.get("source", ""))
        return reply(browse.mirror_version(source, name, version))


def _required(request: Request, name: str) -> str:
    value = request.query_params.get(name, "").strip()
    if not value:
        raise InvalidInput(f"{name} is required.", data={"field": name})
    return value


class UpdateInfo(HubView):
    """GET /api/changelog/update-info."""

    tag = "Changelog"

    @operation(
        "Ask whether there is a newer hub",
        query=(
            OpenApiParameter("currentVersion", str),
            OpenApiParameter("locale", str),
            OpenApiParameter("force", bool, description="Ask again, although the answer is under six hours old."),
        ),
        data=ANY_OBJECT,
        example={"success": True, "data": _NO_NEWS},
    )
    def get(self, request: Request) -> Response:
        query = request.query_params
        force = query.get("force", "").lower() == "true"
        return reply(changelog.update_info(query.get("currentVersion", "")[:100], query.get("locale", ""), force=force))
