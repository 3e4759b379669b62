"""The demo's servers: names, what they are for, what they offer, how busy and how reliable they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["up", "asleep", "off", "crashes", "refuses", "silent"]
Transport = Literal["stdio", "streamable-http", "openapi"]


@dataclass(frozen=True, slots=True)
class DemoServer:
    """One server.

    Attributes:
        nouns: what its tools are about; `tools` names are made of these and of verbs.
        calls: its share of all calls. latency: typical milliseconds. failing: share of its calls that fail.
        why: what it says when it fails.
    """

    name: str
    about: str
    nouns: tuple[str, ...]
    tools: int
    transport: Transport = "stdio"
    state: State = "up"
    calls: float = 1.0
    latency: float = 120.0
    failing: float = 0.003
    why: str = "The service answered 503."
    owner: str = "admin"
    visibility: str = "public"

    def tool_names(self) -> list[str]:
        """The names of its tools."""
        return [name for name, _ in zip(self._names(), range(self.tools), strict=False)]

    def _names(self) -> Iterator[str]:
        for verb in _VERBS:
            for noun in self.nouns:
                yield f"{verb}_{_plural(noun) if verb in _MANY else noun}"

    def definition(self, tool: str) -> dict[str, Any]:
        """A tool as the server describes it."""
        verb, _, noun = tool.partition("_")
        words = noun.replace("_", " ")
        properties = {name: _PROPERTIES[name] for name in _ARGUMENTS[verb]}
        return {
            "name": tool,
            "title": f"{verb.capitalize()} {words}",
            "description": _SENTENCES[verb].format(noun=words, server=self.name),
            "inputSchema": {"type": "object", "properties": properties, "required": list(properties)[:1]},
            "annotations": {"readOnlyHint": verb in _READING, "destructiveHint": verb == "delete"},
        }


_VERBS = ("list", "get", "search", "create", "update", "delete", "export", "summarize")
_MANY = frozenset({"list", "search", "export"})


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(("ch", "sh", "s", "x")) else "s")


_READING = frozenset({"list", "get", "search", "export", "summarize"})
_SENTENCES = {
    "list": "List {noun} of {server}, newest first, a page at a time.",
    "get": "Read one {noun} with everything that belongs to it.",
    "search": "Find {noun} by words, with filters for who, when and what state.",
    "create": "Create a {noun}. Returns it with its new id.",
    "update": "Change some members of a {noun}; what is left out stays as it is.",
    "delete": "Delete a {noun} for good. This cannot be taken back.",
    "export": "Write {noun} as CSV, at most ten thousand rows.",
    "summarize": "Summarize a {noun} in a few sentences with the numbers that matter.",
}
_PROPERTIES: Mapping[str, dict[str, Any]] = {
    "query": {"type": "string", "description": "Words to look for."},
    "id": {"type": "string", "description": "Its id, as lists show it."},
    "limit": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20, "description": "How many at most."},
    "title": {"type": "string", "description": "A short title."},
    "body": {"type": "string", "description": "The text, in Markdown."},
    "state": {"type": "string", "enum": ["open", "closed", "all"], "default": "open"},
    "format": {"type": "string", "enum": ["csv", "json"], "default": "csv"},
}
_ARGUMENTS = {
    "list": ("limit", "state"), "get": ("id",), "search": ("query", "limit"), "create": ("title", "body"),
    "update": ("id", "title", "body"), "delete": ("id",), "export": ("query", "format"), "summarize": ("id",),
}  # fmt: skip

_HTTP: Transport = "streamable-http"
SERVERS: tuple[DemoServer, ...] = (
    DemoServer("github", "Repositories, issues, pull requests and workflows.", ("issue", "pull_request", "branch", "commit", "workflow_run"), 34, _HTTP, calls=22, latency=310, failing=0.004),
    DemoServer("filesystem", "Files below the team's shared folder.", ("file", "folder"), 14, calls=16, latency=6, failing=0.002, why="ENOENT: no such file or directory"),
    DemoServer("warehouse-db", "The data warehouse, read only.", ("table", "query"), 9, state="crashes", calls=9, latency=640, failing=0.03, why="could not connect to 10.2.0.7:5432"),
    DemoServer("playwright", "A browser that reads and fills in pages.", ("page", "element", "screenshot"), 22, calls=8, latency=1900, failing=0.02, why="Timeout 30000ms exceeded while waiting for selector."),
    DemoServer("jira", "Issues, boards and sprints.", ("issue", "board", "sprint"), 18, _HTTP, "refuses", calls=3, latency=280, failing=0.35, why="401: the token was refused"),
    DemoServer("slack", "Channels, messages and threads.", ("channel", "message", "thread"), 16, _HTTP, calls=7, latency=190, failing=0.006, why="rate_limited: try again in 12 s"),
    DemoServer("sentry", "Errors of our applications.", ("issue", "event", "release"), 15, _HTTP, calls=5, latency=260),
    DemoServer("grafana", "Dashboards, metrics and alerts.", ("dashboard", "alert", "metric"), 16, calls=5, latency=210),
    DemoServer("notion", "Pages and databases of the wiki.", ("page", "database", "block"), 18, _HTTP, calls=6, latency=420, failing=0.008),
    DemoServer("linear", "Issues, cycles and projects.", ("issue", "cycle", "project"), 17, _HTTP, calls=5, latency=230),
    DemoServer("stripe", "Customers, payments and invoices.", ("customer", "invoice", "refund"), 16, _HTTP, calls=2, latency=340, visibility="private"),
    DemoServer("petstore", "The example service of the OpenAPI people.", ("pet", "order"), 8, "openapi", calls=0.6, latency=45),
    DemoServer("pdf-tools", "Reads, splits and joins PDF files.", ("page", "document"), 8, state="asleep", calls=0.4, latency=310),
    DemoServer("time", "Dates, times and time zones.", ("time", "zone"), 4, calls=4, latency=3),
    DemoServer("fetch", "Fetches web pages as Markdown.", ("page",), 3, calls=9, latency=840, failing=0.025, why="The page answered 404."),
    DemoServer("memory", "What assistants are asked to remember.", ("entity", "relation", "note"), 12, calls=6, latency=4),
    DemoServer("kubernetes", "The staging cluster.", ("pod", "deployment", "service", "event"), 20, calls=3, latency=150, failing=0.01, why="deployments.apps is forbidden"),
    DemoServer("figma", "Designs and components.", ("file", "component", "comment"), 13, _HTTP, calls=2, latency=520),
    DemoServer("hubspot", "Contacts, companies and deals.", ("contact", "company", "deal"), 18, _HTTP, calls=3, latency=360, owner="ines", visibility="group"),
    DemoServer("gmail", "Mail of the support team.", ("message", "thread", "label"), 14, _HTTP, calls=4, latency=280, owner="ines", visibility="group"),
    DemoServer("calendar", "Appointments and rooms.", ("event", "room"), 10, _HTTP, calls=3, latency=170),
    DemoServer("brave-search", "Searches the web.", ("result",), 3, calls=8, latency=450, failing=0.01, why="429: the month's quota is used up"),
    DemoServer("sqlite", "A scratch database for experiments.", ("table", "row"), 10, calls=2, latency=5, owner="jonas", visibility="private"),
    DemoServer("terraform", "Plans and state of the infrastructure.", ("plan", "workspace", "variable"), 14, state="off", calls=0.2, latency=900),
    DemoServer("redis", "Keys of the cache.", ("key", "stream"), 11, calls=1, latency=4),
    DemoServer("translate", "Translates texts between forty languages, glossaries of the company included.", ("text", "glossary"), 7, _HTTP, calls=2, latency=380),
    DemoServer("legacy-crm", "The old customer database, until it is gone.", ("customer", "ticket"), 9, state="crashes", calls=0.8, latency=1200, failing=0.12, why="ORA-12541: no listener"),
    DemoServer("image-tools", "Resizes, crops and describes images.", ("image",), 7, state="asleep", calls=0.5, latency=730),
    DemoServer("data-science-notebooks-of-the-forecasting-team", "Notebooks and their results; a long name to see what happens to it.", ("notebook", "cell", "kernel"), 15, calls=1.2, latency=2400, failing=0.04, why="The kernel died.", owner="ines", visibility="private"),
    DemoServer("mainframe", "Answers when it feels like it.", ("job", "report"), 9, state="silent", calls=0.1, latency=8000, failing=0.2, why="No answer within 30 s."),
)  # fmt: skip
BY_NAME = {server.name: server for server in SERVERS}


def openapi(server: DemoServer) -> dict[str, Any]:
    """A service's document with one operation for each tool."""
    paths: dict[str, Any] = {}
    for tool in server.tool_names():
        told = server.definition(tool)
        parameters = [
            {"name": name, "in": "query", "required": name in told["inputSchema"]["required"], "schema": schema}
            for name, schema in told["inputSchema"]["properties"].items()
        ]
        operation = {"operationId": tool, "summary": told["description"], "parameters": parameters, "responses": {"200": {"description": "Done."}}}  # fmt: skip
        paths[f"/{tool}"] = {"get": operation}
    info = {"title": server.name, "version": "1.0.0"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": "https://petstore.example"}], "paths": paths}
