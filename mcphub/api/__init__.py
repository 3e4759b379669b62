"""The REST glue: what every app's `api/` package stands on, so that each route is told once and behaves like the rest.

A route is a method of a `views.HubView` (or `HubViewSet`) that carries an `operation(...)`: summary, who may call it,
what goes in and comes out, examples. From that one declaration come the permission check, the read-only gate, the
rate limit's cost and the OpenAPI description; none of them can drift from the others. Modules:

    routes      case-insensitive paths, percent-encoded names, the JSON 404 below /api
    gates       middleware: request ids, base path, cross-origin requests
    callers     who calls (an `Actor`), from which address
    bodies      JSON bodies within `routing.jsonBodyLimit`
    fields      serializer fields that take a value's type at its word
    operations  `operation(...)`, the declaration of one route
    views       HubView, HubViewSet: gate, credential, rate limit, permission, in this order
    envelope    {success, data, message}, and every refusal in the same shape
    limits      rate limits shared by all processes
    pages       page and limit, and the pagination object
    switches    the system settings this package obeys, through a seam the servers app fills
    documents   the OpenAPI 3.1 description

Above: the apps' `api/` packages, `mcphub.urls`. Below: `actor`, `errors`, Django REST framework.
"""
