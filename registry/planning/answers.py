"""Answers to a way's questions: checked against type and choices, defaults filled in, before anything is built.

Above: `commands`. Below: `documents`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mcphub.errors import InvalidInput
from registry.documents.values import Input

#: One text, or several where an argument repeats.
Answer = str | tuple[str, ...]


class MissingAnswers(InvalidInput):
    """Required values are missing; `data` has `missing_env`, their names."""

    code = "missing_answers"

    def __init__(self, names: Iterable[str]) -> None:
        missing = list(names)
        super().__init__(f"Values are missing for: {', '.join(missing)}.", data={"missing_env": missing})


def checked(questions: Iterable[Input], given: Mapping[str, Any]) -> dict[str, Answer]:
    """The answers by question, defaults included, blanks left out.

    Raises `InvalidInput` for one of the wrong kind, `MissingAnswers` where required ones are missing.
    """
    answers: dict[str, Answer] = {}
    missing = []
    for question in questions:
        values = [_text(question, value) for value in _several(given.get(question.name))]
        values = [value for value in values if value]
        if not values and question.default is not None:
            values = [question.default]
        for value in values:
            _check(question, value)
        if values:
            answers[question.name] = values[0] if len(values) == 1 else tuple(values)
        elif question.required:
            missing.append(question.name)
    if missing:
        raise MissingAnswers(missing)
    return answers


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(question: Input, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, str | int | float):
        return "" if value is None else str(value).strip()
    raise InvalidInput(f"{question.name} must be a text.", data={"field": question.name})


def _check(question: Input, value: str) -> None:
    problem = ""
    if question.choices and value not in question.choices:
        problem = f"must be one of {', '.join(question.choices)}"
    elif question.format == "number" and not _is_number(value):
        problem = "must be a number"
    elif question.format == "boolean" and value.lower() not in ("true", "false"):
        problem = "must be true or false"
    elif any(ord(character) < 32 for character in value):
        problem = "must not hold line breaks or control characters"
    if problem:
        raise InvalidInput(f"{question.name} {problem}.", data={"field": question.name})


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True
