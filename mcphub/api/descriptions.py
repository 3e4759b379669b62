"""Where the API describes itself: /api/schema/ (OpenAPI 3.1, JSON or YAML) and /api/docs/ (a viewer, offline).

Open to anyone: the description is the same for every hub and holds nothing of this one. It is made once a process.
"""

from __future__ import annotations

import functools

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny

from mcphub.api.routes import HubRoute


@functools.cache
def description(form: str) -> bytes:
    """The OpenAPI document as "json" or "yaml"."""
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    renderer = OpenApiYamlRenderer() if form == "yaml" else OpenApiJsonRenderer()
    text: bytes = renderer.render(document)
    return text


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    """The description; `?format=yaml` for YAML."""
    form = "yaml" if request.GET.get("format") == "yaml" else "json"
    content_type = "application/yaml" if form == "yaml" else "application/vnd.oai.openapi+json"
    return HttpResponse(description(form), content_type=content_type)


class Viewer(SpectacularSwaggerSplitView):
    """Swagger UI from this machine's own files; its script comes apart, so that no inline script is needed."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def _get_schema_url(self, request: HttpRequest) -> str:
        return reverse("api-schema")


urlpatterns = [
    URLPattern(HubRoute("api/schema", "api-schema"), schema, {}, "api-schema"),
    URLPattern(HubRoute("api/docs", "api-docs"), Viewer.as_view(), {}, "api-docs"),
]
