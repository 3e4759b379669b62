"""The form of the settings: every one has its words, and what is sent becomes what changes."""

from __future__ import annotations

import pytest

from mcphub.errors import InvalidInput
from servers import settings_form, system_config
from servers.settings_words import SECTIONS

VALUES = system_config.effective({"alerts": {"webhookSecret": "hidden"}})


def sent(section_name: str, **changed: str) -> dict[str, str]:
    """What a browser sends of a section that was opened and left as it was, but for some fields."""
    section = settings_form.section_named(section_name)
    assert section is not None
    told = {}
    for shown in settings_form.shown(section, VALUES):
        if shown.field.way != "flag" or shown.value:
            told[shown.field.path] = "on" if shown.field.way == "flag" else str(shown.value)
    return {**told, **changed}


def changes(section_name: str, form: dict[str, str]) -> dict[str, object]:
    section = settings_form.section_named(section_name)
    assert section is not None
    return settings_form.changes_from(section, form, VALUES)


def test_every_setting_that_can_be_changed_has_its_words() -> None:
    assert settings_form.missing() == []
    assert set(settings_form.paths()) <= set(system_config.RULES)


@pytest.mark.parametrize("section", [section.name for section in SECTIONS])
def test_a_form_that_was_left_as_it_was_changes_nothing(section: str) -> None:
    assert changes(section, sent(section)) == {}


def test_only_what_was_changed_is_stored() -> None:
    form = sent("activityLog", **{"activityLog.retentionDays": "7"})
    assert changes("activityLog", form) == {"activityLog": {"retentionDays": 7}}


def test_a_switch_that_is_off_is_sent_by_its_absence() -> None:
    form = sent("routing")
    del form["routing.enableBearerAuth"]
    assert changes("routing", form) == {"routing": {"enableBearerAuth": False}}


def test_an_empty_secret_keeps_what_is_stored_and_is_removed_on_demand() -> None:
    assert changes("alerts", sent("alerts", **{"alerts.webhookSecret": ""})) == {}
    form = sent("alerts", **{"alerts.webhookSecret": "", "alerts.webhookSecret.remove": "on"})
    assert changes("alerts", form) == {"alerts": {"webhookSecret": ""}}


def test_a_number_that_may_be_missing_is_cleared_by_an_empty_field() -> None:
    section = settings_form.section_named("smartRouting")
    assert section is not None
    values = system_config.effective({"smartRouting": {"embeddingDimensions": 256}})
    form = sent("smartRouting", **{"smartRouting.embeddingDimensions": ""})
    assert settings_form.changes_from(section, form, values) == {"smartRouting": {"embeddingDimensions": None}}


def test_a_word_in_the_place_of_a_number_is_refused_beside_its_field() -> None:
    form = sent("activityLog", **{"activityLog.retentionDays": "soon"})
    with pytest.raises(InvalidInput) as refused:
        changes("activityLog", form)
    section = settings_form.section_named("activityLog")
    assert section is not None
    told = settings_form.shown(section, VALUES, form, refused.value.message)
    assert {shown.field.path: shown.wrong for shown in told if shown.wrong} == {
        "activityLog.retentionDays": "Must be a number."
    }
