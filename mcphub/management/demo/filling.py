"""More rows of everything, to see long lists and to measure pages: servers that sleep, keys, users. Through actions."""

from __future__ import annotations

import json

from accounts import actions as accounts
from accounts.models import BearerKey, User
from mcphub.actor import COMMAND
from mcphub.gateway.inventory import Inventory, Item
from mcphub.management.demo.catalogue import SERVERS
from servers import actions as servers
from servers import inventories
from servers.models import Server

_TOOLS = 10


def fill(rows: int, program: list[str]) -> None:
    """Add servers, keys and users until there are so many of each."""
    for number in range(Server.objects.count(), rows):
        model = SERVERS[number % len(SERVERS)]
        config = {
            "type": "stdio",
            "command": program[0],
            "args": [*program[1:], model.name],
            "description": model.about,
            "startOnDemand": True,
            "visibility": "public",
        }
        row = servers.add_server(actor=COMMAND, name=f"{model.name[:24]}-{number:03d}", config=config)
        tools = tuple(
            Item.of("tool", json.dumps(model.definition(name) | {"name": f"{name}_{place}"}).encode())
            for place, name in enumerate((model.tool_names() * _TOOLS)[:_TOOLS])
        )
        inventories.store(row.pk, Inventory(revision="2025-11-25", tools=tools))
    for number in range(BearerKey.objects.count(), rows):
        accounts.create_key(actor=COMMAND, name=f"Client {number:03d}", access="all")
    for number in range(User.objects.count(), rows):
        # Without a password nobody signs in, and nothing has to be hashed five hundred times.
        accounts.create_user(
            actor=COMMAND, username=f"user-{number:03d}", password=None, email=f"user-{number:03d}@example.org"
        )
