"""One run at a time for each source: a lease in the source's row, which ends with its holder.

A holder that is silent for `LIFETIME` has lost it, and one on this machine whose process is gone has lost it at once.
Every write of a run is fenced: it fails where the lease has gone to another. Above: `passes`. Below: `models`.
"""

from __future__ import annotations

import os
import secrets
import socket
from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from mcphub.errors import Conflict
from registry.models import Source

#: Longer than a run is ever silent, the longest wait for a busy source included.
LIFETIME = timedelta(seconds=180)


class SyncInProgress(Conflict):
    """Another process synchronises this source at this moment."""

    code = "sync_in_progress"
    sentence = "This source is being synchronised already."


class LeaseLost(RuntimeError):
    """Another run took over; this one must stop without writing anything more."""


class Lease:
    """See the module. Taken when made; raises `SyncInProgress`."""

    def __init__(self, source: Source) -> None:
        self._source = source.pk
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"
        rows = Source.objects.filter(pk=source.pk)
        holder = rows.values_list("holder", flat=True).get()
        free = Q(holder="") | Q(held_until__lt=timezone.now()) | Q(held_until=None)
        if _has_died(holder):
            free |= Q(holder=holder)
        if not rows.filter(free).update(holder=self._name, held_until=timezone.now() + LIFETIME):
            raise SyncInProgress

    def keep(self, **changes: Any) -> None:
        """Stay the holder, and write to the source's row while at it. Raises `LeaseLost`."""
        rows = Source.objects.filter(pk=self._source, holder=self._name)
        if not rows.update(held_until=timezone.now() + LIFETIME, **changes):
            raise LeaseLost

    def give_back(self, **changes: Any) -> None:
        """End holding it."""
        rows = Source.objects.filter(pk=self._source, holder=self._name)
        rows.update(holder="", held_until=None, **changes)


def _has_died(holder: str) -> bool:
    """Whether a holder was a process of this machine that runs no more."""
    host, _, rest = holder.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
