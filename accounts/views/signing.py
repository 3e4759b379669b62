"""Pages of signing in and out. They translate; `actions.sign_in` decides."""

from __future__ import annotations

from django.contrib.auth import login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import actions
from accounts.models import User
from mcphub.errors import HubError
from mcphub.web.answers import go, render
from mcphub.web.doors import actor_before_sign_in, page

#: Which of Django's backends knows the session's user; the password was looked at by the action.
_BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@page(anyone=True)
def sign_in(request: HttpRequest) -> HttpResponse:
    """The sign-in page, and what it sends."""
    if getattr(request, "viewer", None) is not None:
        return go(request, _after(request))
    refused, username = None, request.POST.get("username", "")
    if request.method == "POST":
        try:
            user = actions.sign_in(username, request.POST.get("password", ""), actor=actor_before_sign_in(request))
        except HubError as refusal:
            refused = refusal
        else:
            login(request, user, backend=_BACKEND)
            return go(request, _after(request))
    context = {"username": username, "refused": refused, "first": _is_first_start(), "next": _after(request)}
    return render(request, "accounts/sign_in.html", context)


@require_POST
@page(anyone=True)
def sign_out(request: HttpRequest) -> HttpResponse:
    """End the session."""
    logout(request)
    return go(request, resolve_url("sign-in"))


def _after(request: HttpRequest) -> str:
    """Where to go after signing in: back to where somebody came from, if that is here."""
    wanted = request.POST.get("next") or request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return resolve_url("overview")


def _is_first_start() -> bool:
    """Whether nobody ever signed in: then the page says where the first password is to be found."""
    return not User.objects.filter(last_login__isnull=False).exists()
