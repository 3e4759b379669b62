"""Curation in the Django admin: every page opens, bulk approval, edits that survive, installing."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from mcphub.actor import HUB
from registry.actions import add_source, change_entry, load_catalogue, request_entry
from registry.models import Entry, EntryRequest, FieldEdit, Source, SyncRun
from servers.models import Server

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("shipped")]


@pytest.fixture
def site(add_user: Callable[..., User]) -> Client:
    client = Client()
    client.force_login(add_user("admin", is_admin=True))
    return client


def page_of(entry: Entry) -> str:
    return reverse("admin:registry_entry_change", args=[entry.pk])


def form_of(site: Client, path: str) -> dict[str, Any]:
    """What a browser would send of a page's form, unchanged."""
    form = site.get(path).context["adminform"].form
    data: dict[str, Any] = {}
    for name, field in form.fields.items():
        value = field.prepare_value(form.get_initial_for_field(field, name))
        if value is not None and value is not False:
            data[name] = "on" if value is True else value
        if field.show_hidden_initial and value is not None:
            data[form.add_initial_prefix(name)] = value
    return data


@pytest.mark.parametrize("model", ["entry", "source", "syncrun", "reject", "version", "entryrequest"])
def test_every_list_opens(site: Client, model: str) -> None:
    assert site.get(reverse(f"admin:registry_{model}_changelist")).status_code == 200


def test_pages_of_single_rows_open(site: Client) -> None:
    source = add_source(actor=HUB, slug="other", name="Other", url="https://other.example/v0.1")
    run = SyncRun.objects.create(source=source, kind="full", report={"rows": 3})
    wish = request_entry(actor=HUB, subject="io.github.x/y")
    for model, row in (("entry", Entry.objects.all()[0]), ("source", source), ("syncrun", run), ("entryrequest", wish)):
        assert site.get(reverse(f"admin:registry_{model}_change", args=[row.pk])).status_code == 200
    assert site.get(reverse("admin:registry_source_add")).status_code == 200
    assert site.get(reverse("admin:registry_entry_add")).status_code == 200


def test_people_who_are_no_admins_stay_outside(add_user: Callable[..., User]) -> None:
    client = Client()
    client.force_login(add_user("dana"))
    assert client.get(reverse("admin:registry_entry_changelist")).status_code == 302


def test_the_search_is_the_registrys(site: Client) -> None:
    text = site.get(reverse("admin:registry_entry_changelist") + "?q=postgr").content.decode()
    assert "PostgreSQL" in text
    assert "Playwright" not in text


def test_entries_are_hidden_and_approved_many_at_once(site: Client) -> None:
    keys = list(Entry.objects.filter(category="databases").values_list("pk", flat=True))
    for action, status in (("hide", "hidden"), ("approve", "approved")):
        sent = {"action": action, "_selected_action": keys}
        assert site.post(reverse("admin:registry_entry_changelist"), sent).status_code == 302
        assert set(Entry.objects.filter(pk__in=keys).values_list("status", flat=True)) == {status}


def test_an_edit_is_kept_shown_against_the_source_and_taken_back(site: Client) -> None:
    entry = Entry.objects.get(name="time")
    sent = form_of(site, page_of(entry)) | {"description": "Our own words"}
    assert site.post(page_of(entry), sent).status_code == 302
    edits = FieldEdit.objects.values_list("field", "value", "edited_by")
    assert list(edits) == [("description", "Our own words", "admin")]
    Entry.objects.update(upstream={})
    load_catalogue(actor=HUB)
    entry.refresh_from_db()
    assert entry.description == "Our own words"
    assert re.search(r"Our own words.*<del>The current time", site.get(page_of(entry)).content.decode(), re.DOTALL)
    site.post(reverse("admin:registry_entry_changelist"), {"action": "take_edits_back", "_selected_action": [entry.pk]})
    entry.refresh_from_db()
    assert entry.description.startswith("The current time")


def test_two_admins_with_the_same_page_do_not_overwrite_each_other(site: Client) -> None:
    entry = Entry.objects.get(name="time")
    opened = form_of(site, page_of(entry))
    change_entry("time", actor=HUB, title="Clock", description="By another")
    assert site.post(page_of(entry), opened | {"icon": "⏰"}).status_code == 302
    entry.refresh_from_db()
    assert (entry.title, entry.description, entry.icon) == ("Clock", "By another", "⏰")
    clash = site.post(page_of(entry), opened | {"description": "Mine"})
    assert clash.status_code == 200
    assert "changed meanwhile" in clash.content.decode()
    entry.refresh_from_db()
    assert entry.description == "By another"


def test_a_wrong_value_is_refused_at_its_field(site: Client) -> None:
    entry = Entry.objects.get(name="time")
    refused = site.post(page_of(entry), form_of(site, page_of(entry)) | {"website": "javascript:x"})
    assert refused.status_code == 200
    assert "http or https" in refused.content.decode()


def test_an_entry_is_made_and_removed_for_good(site: Client) -> None:
    sent = form_of(site, reverse("admin:registry_entry_add")) | {
        "name": "acme", "title": "Acme", "category": "custom", "status": "approved",
        "config": '{"command": "acme"}',
    }  # fmt: skip
    made = site.post(reverse("admin:registry_entry_add"), sent)
    assert made.status_code == 302, made.context["adminform"].form.errors
    entry = Entry.objects.get(name="acme")
    assert (entry.config["command"], entry.source.kind) == ("acme", "custom")
    time = Entry.objects.get(name="time")
    for one in (entry, time):
        site.post(reverse("admin:registry_entry_delete", args=[one.pk]), {"post": "yes"})
    load_catalogue(actor=HUB)
    assert not Entry.objects.filter(name__in=["acme", "time"]).exists()


def test_an_entry_is_installed_after_its_command_was_shown(site: Client) -> None:
    entry = Entry.objects.get(name="brave-search")
    path = reverse("admin:registry_entry_install", args=[entry.pk])
    assert "BRAVE_API_KEY" in site.get(path).content.decode()
    answers = {"way": "npx:@brave/brave-search-mcp-server", "answer:BRAVE_API_KEY": "very-secret"}
    shown = site.post(path, answers | {"preview": "1"}).content.decode()
    assert "npx -y @brave/brave-search-mcp-server --transport stdio" in shown
    assert not Server.objects.exists()
    assert site.post(path, answers | {"install": "1", "server": "brave"}).status_code == 302
    assert Server.objects.get(name="brave").config["env"] == {"BRAVE_API_KEY": "very-secret"}
    missing = site.post(path, {"way": answers["way"], "install": "1", "server": "other"}).content.decode()
    assert "BRAVE_API_KEY" in missing
    assert Server.objects.count() == 1


def test_a_source_is_added_changed_and_asked_now(site: Client) -> None:
    sent = {"slug": "team", "name": "Team", "url": "http://10.0.0.5/v0.1", "pace_ms": "200", "position": "0"}
    sent |= {"enabled": "on", "new_headers": '{"Authorization": "Bearer s3cret"}'}
    assert site.post(reverse("admin:registry_source_add"), sent).status_code == 302
    source = Source.objects.get(slug="team")
    assert source.headers == {"Authorization": "Bearer s3cret"}
    path = reverse("admin:registry_source_change", args=[source.pk])
    page = site.get(path).content.decode()
    assert "s3cret" not in page
    assert "every hour" in page
    assert site.post(path, form_of(site, path) | {"approves": "on"}).status_code == 302
    source.refresh_from_db()
    assert source.approves
    assert source.headers == {"Authorization": "Bearer s3cret"}
    for name in ("sync_now", "sync_all", "accept_reset"):
        assert site.get(reverse(f"admin:registry_source_{name}", args=[source.pk])).status_code == 302
    site.post(reverse("admin:registry_source_delete", args=[source.pk]), {"post": "yes"})
    assert not Source.objects.filter(slug="team").exists()


def test_a_wish_is_decided(site: Client) -> None:
    wish = request_entry(actor=HUB, subject="io.github.x/y")
    path = reverse("admin:registry_entryrequest_change", args=[wish.pk])
    assert "needs a reason" in site.post(path, {"decision": "refuse", "answer": ""}).content.decode()
    assert site.post(path, {"decision": "refuse", "answer": "No licence."}).status_code == 302
    assert EntryRequest.objects.get().state == "refused"
