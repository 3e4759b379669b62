"""The route of MCPB bundles (REST contract, section 17)."""

from __future__ import annotations

from django.core.files.uploadedfile import UploadedFile
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from mcphub.api.callers import actor_of
from mcphub.api.documents import ANY_OBJECT, TEXT
from mcphub.api.envelope import reply
from mcphub.api.operations import Allow, operation
from mcphub.errors import InvalidInput, TooLarge
from servers import actions
from servers.api.noticed import Noticed
from servers.bundles import MAX_ARCHIVE

_FIELD = "mcpbFile"
_MANIFEST = {
    "manifest_version": "0.2", "name": "weather", "version": "1.0.0",
    "server": {"type": "node", "mcp_config": {"command": "node", "args": ["${__dirname}/index.js"]}},
}  # fmt: skip
#: The other parts of the upload.
_AROUND = 64 * 1024


class BundleUpload(Noticed):
    """POST /api/mcpb/upload."""

    tag = "Bundles"
    parser_classes = (MultiPartParser,)

    @operation(
        "Upload an MCPB bundle",
        allow=Allow.ADMIN,
        note="Unpacked under its name and version; an earlier upload of both is replaced. With `register` the server "
        "it describes is added (or, where it exists, started from this bundle from now on); without, the client does "
        "that with `POST /api/servers`, putting `extractDir` in place of `${__dirname}`.",
        body={
            "type": "object",
            "properties": {
                _FIELD: {"type": "string", "contentMediaType": "application/zip"},
                "register": {"enum": ["true", "false"], "default": "false"},
            },
            "required": [_FIELD],
        },
        body_media="multipart/form-data",
        sample={_FIELD: "weather.mcpb", "register": "false"},
        data={
            "type": "object",
            "properties": {"manifest": ANY_OBJECT, "extractDir": TEXT, "server": TEXT},
            "required": ["manifest", "extractDir"],
        },
        example={
            "success": True,
            "message": "The bundle was unpacked.",
            "data": {"manifest": _MANIFEST, "extractDir": "/data/uploads/mcpb/weather/1.0.0"},
        },
        refuses={400: "There is no bundle in the upload, or it is not acceptable; the message says why."},
    )
    def post(self, request: Request) -> Response:
        if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_ARCHIVE + _AROUND:
            raise TooLarge(f"Bundles may have {MAX_ARCHIVE // 1024**2} MB.")
        upload = request.FILES.get(_FIELD)
        if not isinstance(upload, UploadedFile) or not (upload.name or "").lower().endswith(".mcpb"):
            raise InvalidInput(f"The field {_FIELD} must hold a file whose name ends in .mcpb.")
        if (upload.size or 0) > MAX_ARCHIVE:
            raise TooLarge(f"Bundles may have {MAX_ARCHIVE // 1024**2} MB.")
        wanted = request.POST.get("register") == "true"
        assert upload.file is not None
        kept = actions.keep_bundle(upload.file, actor=actor_of(request), register=wanted)
        data = {"manifest": kept.manifest, "extractDir": str(kept.folder)}
        if kept.server is None:
            return reply(data, "The bundle was unpacked.")
        return reply(data | {"server": kept.server.name}, "The bundle was unpacked and its server registered.")
