"""The Users page: people, their roles, passwords and lock-outs; and everybody's own password."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth import update_session_auth_hash
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST, require_safe

from accounts import actions, passwords
from accounts.models import SignInFailures, User
from mcphub.errors import HubError, NotFound
from mcphub.web.answers import done, render, trigger
from mcphub.web.doors import page, viewer_of
from mcphub.web.pages import page_number

#: Rows of a page.
PAGE = 100
#: Somebody who signed in within this time is called active.
_ACTIVE = timedelta(days=30)


@require_safe
@page(admin=True)
def users(request: HttpRequest) -> HttpResponse:
    """The list with the lock-outs; for htmx what the search changes."""
    text, role = request.GET.get("q", "").strip(), request.GET.get("role", "")
    rows = User.objects.annotate(keys_held=Count("keys")).order_by("username")
    if text:
        rows = rows.filter(Q(username__icontains=text) | Q(email__icontains=text))
    if role in ("admin", "user"):
        rows = rows.filter(is_admin=role == "admin")
    everybody = User.objects.aggregate(
        all=Count("pk"), admins=Count("pk", filter=Q(is_admin=True)),
        active=Count("pk", filter=Q(last_login__gt=timezone.now() - _ACTIVE)),
    )  # fmt: skip
    total = rows.count()
    number, last = page_number(request.GET, total, PAGE)
    context = {
        "users": rows[(number - 1) * PAGE : number * PAGE],
        "total": total,
        "number": number,
        "last": last,
        "everybody": everybody,
        "roles": {"": ("All", everybody["all"]), "admin": ("Admins", everybody["admins"]),
                  "user": ("Users", everybody["all"] - everybody["admins"])},
        "role": role,
        "text": text,
        "locks": SignInFailures.objects.filter(locked_until__gt=timezone.now()).order_by("-locked_until"),
    }  # fmt: skip
    return render(request, "users/list.html", context, fragment="users/_table.html")


@require_safe
@page(admin=True)
def new_user(request: HttpRequest) -> HttpResponse:
    """The dialog with an empty form."""
    return _form(request, {"values": {}})


@sensitive_post_parameters("password")
@sensitive_variables("password")
@require_POST
@page(admin=True)
def add_user(request: HttpRequest) -> HttpResponse:
    """Add a user. Where no password is given one is made, and shown once."""
    sent = request.POST
    password = sent.get("password", "")
    made = "" if password else passwords.generated()
    try:
        user = actions.create_user(
            actor=viewer_of(request),
            username=sent.get("username", ""),
            password=password or made,
            is_admin="is_admin" in sent,
            email=sent.get("email", ""),
        )
    except HubError as refused:
        return _form(request, {"values": sent, "refused": refused}, status=422)
    return _told(request, user, made, f"{user.username} was added.")


@require_safe
@page(admin=True)
def user(request: HttpRequest, username: str) -> HttpResponse:
    """The dialog with a user's form."""
    found = _user(username)
    values = {
        "email": found.email or "",
        "is_admin": found.is_admin,
        "plan": found.plan,
        "plan_limit": found.plan_limit,
    }
    return _form(request, {"person": found, "values": values})


@sensitive_post_parameters("password")
@sensitive_variables("password")
@require_POST
@page(admin=True)
def save_user(request: HttpRequest, username: str) -> HttpResponse:
    """Store what the form sends."""
    found, sent = _user(username), request.POST
    made = passwords.generated() if "renew" in sent else ""
    password = made or sent.get("password", "")
    limit = sent.get("plan_limit", "").strip()
    changes: dict[str, Any] = {
        "is_admin": "is_admin" in sent,
        "email": sent.get("email", ""),
        "plan": sent.get("plan", found.plan),
        "plan_limit": int(limit) if limit.isdecimal() and len(limit) < 9 else None,
    }
    if password:
        changes["password"] = password
    try:
        changed = actions.change_user(found, actor=viewer_of(request), **changes)
    except HubError as refused:
        return _form(request, {"person": found, "values": sent, "refused": refused}, status=422)
    if password and found.username == viewer_of(request).username:
        update_session_auth_hash(request, changed)
    return _told(request, changed, made, f"{found.username} was changed.")


@require_POST
@page(admin=True)
def delete_user(request: HttpRequest, username: str) -> HttpResponse:
    """Remove a user."""
    actions.delete_user(_user(username), actor=viewer_of(request))
    return done(f"{username} was removed.", events={"hub:reload-list": None, "hub:close-dialog": None})


@require_POST
@page(admin=True)
def unlock(request: HttpRequest, id: int) -> HttpResponse:
    """End a lock-out."""
    found = SignInFailures.objects.filter(pk=id).first()
    if found is None:
        raise NotFound("This lock has ended already.")
    actions.unlock(found, actor=viewer_of(request))
    return done(f"{found.subject} may try again.", events={"hub:reload-list": None})


@sensitive_post_parameters("current", "password")
@page
def password(request: HttpRequest) -> HttpResponse:
    """The dialog in which people change their own password."""
    refused = None
    if request.method == "POST":
        me = User.objects.filter(username=viewer_of(request).username).first()
        if me is None:
            raise NotFound("The guest has no password.")
        try:
            changed = actions.change_password(
                me,
                actor=viewer_of(request),
                current=request.POST.get("current", ""),
                new=request.POST.get("password", ""),
            )
        except HubError as refusal:
            refused = refusal
        else:
            # Other sessions end with the old password; this one goes on.
            update_session_auth_hash(request, changed)
            return done("Your password was changed.", events={"hub:close-dialog": None})
    context = {"refused": refused, "rules": _rules(refused)}
    return render(
        request, "users/password.html", context, fragment="users/password.html", status=422 if refused else 200
    )


def _rules(refused: HubError | None) -> list[str]:
    """The rules that a password breaks, as sentences."""
    return list((refused.data or {}).get("errors", ())) if refused else []


def _user(username: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is None:
        raise NotFound("There is no such user.")
    return found


def _told(request: HttpRequest, user: User, made: str, text: str) -> HttpResponse:
    """The end of a change: a password that was made is shown, once."""
    if not made:
        return done(text, events={"hub:close-dialog": None, "hub:reload-list": None})
    response = render(request, "users/made.html", {"person": user, "made": made}, fragment="users/made.html")
    return trigger(response, "hub:reload-list")


def _form(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    told = {"rules": _rules(context.get("refused")), "plans": User.Plan.choices, **context}
    return render(request, "users/form.html", told, fragment="users/form.html", status=status)
