"""The OpenAPI 3.1 description of the API, made from each route's `operation`; served at /api/schema/ and /api/docs/.

`manage.py spectacular --file docs/openapi.yaml` renews the snapshot that a test compares. Above: `mcphub.urls`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from mcphub.api.operations import Allow, Operation, Shape
from mcphub.api.views import UNDECLARED, HubView

FAILURE = {"$ref": "#/components/schemas/Failure"}
#: The components that no serializer stands for; apps add theirs with `component`.
COMPONENTS: dict[str, Any] = {
    "Failure": {
        "type": "object",
        "description": "Every refusal. `message` is for people, `code` for programs.",
        "properties": {
            "success": {"type": "boolean", "const": False},
            "message": {"type": "string"},
            "code": {"type": "string"},
            "errors": {"type": "array", "items": {}, "description": "What is wrong with which member."},
            "requestId": {"type": "string", "description": "Names the request in the hub's log."},
        },
        "required": ["success", "message"],
    }
}
SECURITY_SCHEMES: dict[str, Any] = {
    "dashboardToken": {
        "type": "apiKey",
        "in": "header",
        "name": "x-auth-token",
        "description": "The token `POST /api/auth/login` answers with; also accepted as `Authorization: Bearer`.",
    },
    "bearerKey": {
        "type": "http",
        "scheme": "bearer",
        "description": "A system bearer key with access to everything.",
    },
}
_ALWAYS = {429: "The rate limit is exceeded.", 500: "Something failed that should not.", 503: "The database is away."}
_INVALID = "The request breaks a rule; the message names it."
#: Refusals that most routes share stand in the document once.
_SHARED = {
    _INVALID: "Invalid",
    "There is no usable credential.": "NotSignedIn",
    "The hub is in read-only mode.": "ReadOnly",
    "The caller is no admin, or the hub is in read-only mode.": "NotAdmin",
    "The body is over the limit.": "TooLarge",
    _ALWAYS[429]: "RateLimited",
    _ALWAYS[500]: "Failed",
    _ALWAYS[503]: "Unavailable",
}


class HubSchema(AutoSchema):
    """Describes a route from its `operation` alone."""

    @property
    def declared(self) -> Operation:
        """The declaration of the method being described."""
        view = self.view
        name = getattr(view, "action", None) or self.method.lower()
        found = getattr(getattr(view, name, None), "operation", UNDECLARED)
        return found if isinstance(found, Operation) else UNDECLARED

    def _is_list_view(self, serializer: Any = None) -> bool:
        return False  # replies say themselves what is an array

    def is_excluded(self) -> bool:
        return not isinstance(self.view, HubView) or self.declared is UNDECLARED

    def get_summary(self) -> str:
        return self.declared.summary

    def get_description(self) -> str:  # type: ignore[override]
        declared = self.declared
        return "\n\n".join(filter(None, (declared.note, f"**Permission:** {declared.allow.value}")))

    def get_tags(self) -> list[str]:
        return [getattr(self.view, "tag", "") or self._tokenize_path()[0]]

    def get_operation_id(self) -> str:
        words = [re.sub(r"\W+", "_", word) for word in self.path.removeprefix("/api/").strip("/").split("/")]
        return "_".join([self.method.lower(), *(word.strip("_") for word in words)])

    def get_auth(self) -> list[dict[str, Any]]:
        return [] if self.declared.allow is Allow.ANYONE else [{"dashboardToken": []}, {"bearerKey": []}]

    def get_override_parameters(self) -> list[Any]:
        names = re.findall(r"\{(\w+)\}", self.path)
        return [
            *(OpenApiParameter(name, str, OpenApiParameter.PATH, required=True) for name in names),
            *self.declared.query,
        ]

    def get_filter_backends(self) -> list[Any]:
        return []

    def get_request_serializer(self) -> Any:
        declared = self.declared
        if declared.body is None:
            return None
        return {declared.body_media: declared.body}

    def _get_request_body(self, direction: Any = "request") -> Any:
        body = super()._get_request_body(direction)  # type: ignore[no-untyped-call]
        if body and self.declared.sample is not None:
            for content in body["content"].values():
                content["examples"] = {"Example": {"value": self.declared.sample}}
        return body

    def get_response_serializers(self) -> Any:
        declared = self.declared
        answer = self._answer(declared)
        examples = [] if declared.example is None else [OpenApiExample("Example", declared.example)]
        replies: dict[Any, Any] = {}
        for status, meaning in {declared.status: declared.summary, **declared.also}.items():
            schema = answer if status < 400 else {"anyOf": [answer, self._refused()]}
            for media in declared.media:
                replies[str(status), media] = OpenApiResponse(schema, meaning, examples)
        for status, meaning in {**self._usual_refusals(declared), **declared.refuses}.items():
            replies.setdefault((str(status), "application/json"), OpenApiResponse(self._refused(), meaning))
        return replies

    def _answer(self, declared: Operation) -> Any:
        if declared.whole is not None:
            return self._schema_of(declared.whole)
        properties: dict[str, Any] = {"success": {"type": "boolean", "const": True}}
        properties |= {name: self._schema_of(shape) for name, shape in declared.members.items()}
        if declared.data is not None:
            properties["data"] = self._schema_of(declared.data)
        required = [name for name in properties if name != "pagination"]
        properties["message"] = {"type": "string", "description": "For people."}
        return {"type": "object", "properties": properties, "required": required}

    def _refused(self) -> dict[str, Any]:
        return dict(getattr(self.view, "failure_schema", FAILURE))

    def _usual_refusals(self, declared: Operation) -> dict[int, str]:
        usual = {400: _INVALID}
        if declared.body is not None:
            usual[413] = "The body is over the limit."
        if declared.allow is not Allow.ANYONE:
            usual[401] = "There is no usable credential."
        if declared.allow is Allow.ADMIN:
            usual[403] = "The caller is no admin, or the hub is in read-only mode."
        elif declared.changes_something(self.method):
            usual[403] = "The hub is in read-only mode."
        return usual | _ALWAYS

    def _schema_of(self, shape: Shape) -> dict[str, Any]:
        if isinstance(shape, dict):
            return shape
        made = shape() if isinstance(shape, type) else shape
        if isinstance(made, serializers.ListSerializer):
            return {"type": "array", "items": self._schema_of(made.child)}
        if isinstance(made, serializers.Serializer):
            component = self.resolve_serializer(made, "response")
            return dict(component.ref) if component else {"type": "object"}
        return dict(self._map_serializer_field(made, "response"))  # type: ignore[no-untyped-call]


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """Postprocessing hook: the components and credentials that belong to no single route."""
    components = result.setdefault("components", {})
    components["schemas"] = dict(sorted((components.get("schemas", {}) | COMPONENTS).items()))
    components["securitySchemes"] = SECURITY_SCHEMES
    components["responses"] = {}
    for methods in result.get("paths", {}).values():
        for operation in methods.values():
            told = dict(sorted(operation["responses"].items()))
            operation["responses"] = {status: _shared(told[status], components["responses"]) for status in told}
    result["servers"] = [{"url": settings.BASE_PATH or "/"}]
    plain: dict[str, Any] = _without_marks(result)
    return plain


def _without_marks(value: Any) -> Any:
    """The document without what the generator left in it for hooks this hub does not use."""
    if isinstance(value, dict):
        return {name: _without_marks(member) for name, member in value.items() if name != "x-spec-enum-id"}
    return [_without_marks(member) for member in value] if isinstance(value, list) else value


def _shared(response: dict[str, Any], responses: dict[str, Any]) -> dict[str, Any]:
    """A response, or a reference to it where it is one of many alike."""
    name = _SHARED.get(response["description"])
    if name is None or response["content"]["application/json"]["schema"] != FAILURE:
        return response
    responses[name] = response
    return {"$ref": f"#/components/responses/{name}"}


def component(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Put a JSON Schema among the document's components, once; returns the reference to it."""
    COMPONENTS[name] = dict(schema)
    return {"$ref": f"#/components/schemas/{name}"}


def array_of(items: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON Schema for an array."""
    return {"type": "array", "items": dict(items)}


def object_of(**properties: Any) -> dict[str, Any]:
    """A JSON Schema for an object whose listed members are all there; others may be, too."""
    return {"type": "object", "properties": properties, "required": list(properties)}


ANY_OBJECT: dict[str, Any] = {"type": "object", "additionalProperties": True}
TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "integer"}
FLAG: dict[str, Any] = {"type": "boolean"}
