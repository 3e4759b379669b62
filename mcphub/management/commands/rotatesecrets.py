"""`manage.py rotatesecrets`: seal every stored secret again under a new key.

Where the keys lie in the key file, a new one is put first and the old ones stay, because running processes still seal
with them: restart those, then `rotatesecrets --forget` seals what is left and drops the old keys. Where the keys come
from MCPHUB_ENCRYPTION_KEY, put the new one first there, restart, and run this.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from mcphub import keyfile
from mcphub.actor import COMMAND
from mcphub.changes import Change, changed
from mcphub.fields import reseal, vault
from mcphub.vault import keys_of, new_key


class Command(BaseCommand):
    help = "Seal every stored secret again under a new encryption key."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--forget", action="store_true", help="make no new key; drop the old ones from the file")

    def handle(self, *args: Any, **options: Any) -> None:
        path = settings.MCPHUB_KEY_FILE
        ring = keys_of(settings.MCPHUB_ENCRYPTION_KEYS, path)
        in_file = not settings.MCPHUB_ENCRYPTION_KEYS
        if in_file and not options["forget"]:
            keyfile.replace(path, "\n".join([new_key(), *ring]))
            vault.cache_clear()
        count = reseal()
        if in_file and options["forget"]:
            keyfile.replace(path, ring[0])
            vault.cache_clear()
        with transaction.atomic():
            changed(Change("mcphub.rotate_secrets", COMMAND, "settings", after={"resealed": count}))
        self.stdout.write(f"{count} secrets sealed under the first key.")
        if in_file and not options["forget"]:
            self.stdout.write("Restart the hub, then run `manage.py rotatesecrets --forget` to drop the old keys.")
