"""Serializer fields that take a value's type at its word: "yes" is no boolean, 5 is no text.

REST framework's own fields convert; through an API used by scripts that stores a wrong value silently instead of
telling the sender.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Text(serializers.CharField):
    """A string; blanks around it are removed unless `trim_whitespace=False`."""

    default_error_messages = {"invalid": "must be a string", "blank": "must not be empty", "required": "is required"}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Flag(serializers.BooleanField):
    """true or false, nothing else."""

    default_error_messages = {"invalid": "must be true or false", "required": "is required"}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid")
        return data


class Whole(serializers.IntegerField):
    """A whole number; 5.0 counts, "5" and true do not."""

    default_error_messages = {"invalid": "must be a whole number", "required": "is required"}

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int | float) or data != int(data):
            self.fail("invalid")
        return super().to_internal_value(int(data))


class Texts(serializers.ListField):
    """An array of strings."""

    child = Text()
    default_error_messages = {"not_a_list": "must be an array of strings", "required": "is required"}


class Mapping(serializers.DictField):
    """A JSON object."""

    default_error_messages = {"not_a_dict": "must be an object", "required": "is required"}


class Choice(serializers.ChoiceField):
    """One of a few strings."""

    default_error_messages = {"invalid_choice": "must be one of {choices}", "required": "is required"}

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", choices=", ".join(map(str, self.choices)))
        return data
