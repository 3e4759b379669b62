"""`manage.py demo`: fill an empty hub with thirty servers, people, groups and a month of calls, to look at it."""

from __future__ import annotations

import json
import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from mcphub.actor import COMMAND
from mcphub.management.demo import filling, history, people, program
from mcphub.management.demo.catalogue import SERVERS, DemoServer, openapi
from servers import actions
from servers.models import Server


class Command(BaseCommand):
    """See the module."""

    help = "Fill an empty hub with demo data: servers in all states, tools, groups, users, keys and a month of calls."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--calls", type=int, default=30_000, help="calls in the history (default 30000)")
        parser.add_argument("--rows", type=int, default=0, help="add servers, keys and users until there are so many")
        parser.add_argument("--force", action="store_true", help="although there are servers already")

    def handle(self, *args: Any, **options: Any) -> None:
        if Server.objects.exists() and not options["force"]:
            raise CommandError("This hub has servers already; the demo is for an empty one (--force adds it anyway).")
        catalogue = Path(settings.MCPHUB_DATA_DIR) / "demo" / "catalogue.json"
        _write_catalogue(catalogue)
        start = [sys.executable, "-I", str(Path(program.__file__).resolve()), str(catalogue)]
        port = _free_port()
        people.add_users()
        for server in SERVERS:
            actions.add_server(actor=COMMAND, name=server.name, config=_config(server, start, port))
        people.add_groups()
        history.write(people.add_keys(), options["calls"])
        filling.fill(options["rows"], start)
        self.stdout.write(
            f"The demo is in: {Server.objects.count()} servers, {options['calls']} calls. "
            f"Its users ({', '.join(people.USERS)}) sign in with {people.PASSWORD}"
        )


def _config(server: DemoServer, start: list[str], port: int) -> dict[str, Any]:
    config: dict[str, Any] = {
        "type": server.transport,
        "description": server.about,
        "owner": server.owner,
        "visibility": server.visibility,
        "sharedWithUsers": ["tomasz", "jonas"] if server.visibility == "group" else [],
        "enabled": server.state != "off",
    }
    if server.transport == "openapi":
        return config | {"openapi": {"schema": openapi(server)}}
    if server.transport == "streamable-http":
        return config | {"url": f"http://127.0.0.1:{port}/{server.name}"}
    more = {
        "crashes": ["--crash", f"error: {server.why}"],
        "silent": ["--silent"],
    }.get(server.state, [])
    # One of the local ones plays the remote ones besides.
    more = [*more, "--http", str(port)] if server.name == "filesystem" else more
    config |= {"command": start[0], "args": [*start[1:], server.name, *more], "startOnDemand": server.state == "asleep"}
    return config


def _write_catalogue(path: Path) -> None:
    told = {
        server.name: {
            "about": server.about,
            "refuses": server.state == "refuses",
            "tools": [server.definition(name) for name in server.tool_names()],
            "prompts": [{"name": f"about_{server.nouns[0]}s", "description": f"How to work with {server.nouns[0]}s."}],
            "resources": [{"uri": f"demo://{server.name}/about", "name": "about", "mimeType": "text/plain"}],
        }
        for server in SERVERS
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told))


def _free_port() -> int:
    """A loopback port for the servers that are played over HTTP."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
