"""The revision: raised inside the transaction of whatever AI clients may notice, announced when it is committed.

Its row stays locked until the commit, so revisions are committed in their order: whoever reads revision n sees
every change numbered up to n. Registered as a witness of `mcphub.changes`. Below: `models`.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from mcphub.bus import ServersChanged
from mcphub.changes import Change, announce
from servers.models import Revision


@transaction.atomic
def raise_revision() -> int:
    """The next revision, which is this transaction's own until it commits."""
    if not Revision.objects.filter(pk=1).update(number=F("number") + 1):
        Revision.objects.get_or_create(pk=1)
        Revision.objects.filter(pk=1).update(number=F("number") + 1)
    number = Revision.objects.values_list("number", flat=True).get(pk=1)
    announce(ServersChanged(number))
    return number


def current() -> int:
    """The newest committed revision; 0 before the first change."""
    return Revision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def witness(change: Change) -> None:
    """Raise the revision for a change that clients may notice and that is not counted by its action already."""
    if change.noticed:
        raise_revision()
