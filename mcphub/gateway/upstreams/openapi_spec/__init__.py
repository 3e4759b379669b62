"""OpenAPI documents as tools, and their calls as HTTP requests; no I/O.

Inside, from the bottom: `reading` (text → values), `documents` (`$ref`, server addresses); `keywords`, `references` and
`schemas` (JSON Schema), `fitting` (keeping an output schema's promise); `bodies`, `security`, `operations` (tools);
`requests` (arguments → request), `results` (answer → result). Above: `upstreams.openapi`.
"""
