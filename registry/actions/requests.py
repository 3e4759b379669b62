"""Users ask for servers; admins approve or refuse with a reason."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from mcphub.actor import Actor
from mcphub.errors import Conflict, InvalidInput, NotAllowed, NotFound
from registry.actions.catalogue import set_status
from registry.actions.noting import note
from registry.models import Entry, EntryRequest


@transaction.atomic
def request_entry(*, actor: Actor, subject: str, reason: str = "") -> EntryRequest:
    """Ask that a server be offered: the name of an entry, of a server elsewhere, or an address.

    Raises `InvalidInput`, `Conflict` (asked for already).
    """
    subject = subject.strip()
    if not 1 <= len(subject) <= 300 or len(reason) > 4000:
        raise InvalidInput(
            "Say what is wanted in 1 to 300 characters, and why in at most 4000.", data={"field": "subject"}
        )
    if EntryRequest.objects.filter(username=actor.username, subject=subject, state="open").exists():
        raise Conflict("You have asked for this already.")
    entry = Entry.objects.filter(name=subject).first() or Entry.objects.filter(upstream_name=subject).first()
    request = EntryRequest.objects.create(username=actor.username, subject=subject, reason=reason.strip(), entry=entry)
    note("request_entry", actor, "request", subject, after={"reason": request.reason})
    return request


@transaction.atomic
def decide_request(id: int, *, actor: Actor, approve: bool, answer: str = "") -> EntryRequest:
    """Approve (which offers the entry, where there is one) or refuse, with a reason.

    Raises `NotAllowed`, `NotFound`, `InvalidInput` (a refusal without a reason), `Conflict` (decided already).
    """
    if not actor.is_admin:
        raise NotAllowed("Only admins may decide requests.")
    request = EntryRequest.objects.select_for_update().filter(pk=id).first()
    if request is None:
        raise NotFound("There is no such request.")
    if request.state != EntryRequest.State.OPEN:
        raise Conflict("This request was decided already.")
    if not approve and not answer.strip():
        raise InvalidInput("A refusal needs a reason.", data={"field": "answer"})
    if approve and request.entry is not None:
        set_status([request.entry.name], actor=actor, status="approved")
    request.state = EntryRequest.State.APPROVED if approve else EntryRequest.State.REFUSED
    request.answer, request.decided_by, request.decided_at = answer.strip(), actor.username, timezone.now()
    request.save()
    note("decide_request", actor, "request", request.subject, after={"state": request.state, "answer": request.answer})
    return request
