"""A way and answers make a server configuration, and the command as it will run, with secrets masked.

The configuration is an argument vector: no answer is ever read by a shell. An answer in the place of a positional
argument may not begin with a dash, so that it cannot become an option. Above: `actions`. Below: `ways`, `answers`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mcphub.errors import InvalidInput
from registry.documents.values import Argument, Input, Package, Remote
from registry.planning.answers import Answer, checked
from registry.planning.ways import RUNTIME_ARGUMENTS, Way

MASK = "••••••"
_PLACEHOLDER = re.compile(r"\{([^{}\s]+)\}")


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be stored, and how it reads.

    Attributes:
        config: a server configuration in the words of the servers API.
        shown: the exact command (or the address with its headers), secrets masked, quoted as a shell would need it.
    """

    config: Mapping[str, Any] = field(repr=False)
    shown: str


def plan(way: Way, given: Mapping[str, Any]) -> Plan:
    """Build the configuration. Raises `InvalidInput` for unusable ways and answers, `MissingAnswers`."""
    if not way.is_usable:
        raise InvalidInput(way.obstacle)
    answers = checked(way.questions, given)
    if isinstance(way.source, Remote):
        return _remote(way, way.source, answers)
    return _package(way, way.source, answers)


@dataclass(frozen=True, slots=True)
class _Word:
    """One word of a command line and how it is shown."""

    text: str
    shown: str


def _package(way: Way, package: Package, answers: Mapping[str, Answer]) -> Plan:
    environment = {one.name: value for one in package.environment for value in _values(one, answers)}
    secrets = {one.name for one in package.environment if one.secret}
    words = [*_line(way, package, answers, environment)]
    words += [word for argument in package.arguments for word in _argument(argument, answers)]
    config: dict[str, Any] = {"type": "stdio", "command": words[0].text, "args": [word.text for word in words[1:]]}
    if environment:
        config["env"] = {name: value.text for name, value in environment.items()}
    settings = [
        f"{name}={MASK if name in secrets else shlex.quote(value.shown)}" for name, value in environment.items()
    ]
    return Plan(config, " ".join([*settings, *(shlex.quote(word.shown).replace(f"'{MASK}'", MASK) for word in words)]))


def _line(
    way: Way, package: Package, answers: Mapping[str, Answer], environment: Mapping[str, _Word]
) -> Iterator[_Word]:
    """The words before the package's own arguments."""
    for word in way.command:
        if word != RUNTIME_ARGUMENTS:
            yield _Word(word, word)
            continue
        for argument in package.runtime_arguments:
            yield from _argument(argument, answers)
        if way.runner == "docker":
            # By name only: the values go through the environment and so never onto the command line.
            for name in environment:
                yield from (_Word("-e", "-e"), _Word(name, name))


def _argument(argument: Argument, answers: Mapping[str, Answer]) -> Iterator[_Word]:
    flag = _Word(argument.flag, argument.flag)
    if argument.is_bare:
        yield flag
        return
    values = _values(argument.input, answers)
    for value in values if argument.repeated else values[:1]:
        if argument.flag and argument.input.format == "boolean":
            yield from [flag] if value.text.lower() == "true" else []
        elif argument.flag.endswith("="):
            yield _Word(argument.flag + value.text, argument.flag + value.shown)
        elif argument.flag:
            yield from (flag, value)
        elif value.text.startswith("-") and argument.input.value is None:
            raise InvalidInput(
                f"{argument.input.name} must not begin with a dash.", data={"field": argument.input.name}
            )
        else:
            yield value


def _values(told: Input, answers: Mapping[str, Answer]) -> list[_Word]:
    """What an input becomes: nothing where it is optional and not given."""
    if told.value is not None:
        filled = _filled(told, answers)
        return [] if filled is None else [_Word(filled, MASK if told.secret else _shown(told, answers))]
    answer = answers.get(told.name, ())
    return [_Word(one, MASK if told.secret else one) for one in ((answer,) if isinstance(answer, str) else answer)]


def _filled(told: Input, answers: Mapping[str, Answer]) -> str | None:
    """A fixed text with its placeholders filled; None where an own variable has no value, so that it is left out."""
    own = {variable.name: variable for variable in told.variables}

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        answer = answers.get(name)
        if answer is None and name in own:
            answer = own[name].value or ""
        # A placeholder that nothing stands for stays as it is (registry specification).
        return match[0] if answer is None else answer if isinstance(answer, str) else " ".join(answer)

    text = told.value or ""
    unanswered = any(name in own and name not in answers and not own[name].value for name in _PLACEHOLDER.findall(text))
    return None if unanswered else _PLACEHOLDER.sub(fill, text)


def _shown(told: Input, answers: Mapping[str, Answer]) -> str:
    """A filled text with the values of secret variables masked."""
    masked = {variable.name: MASK for variable in told.variables if variable.secret}
    return _filled(told, {**answers, **{name: mask for name, mask in masked.items() if name in answers}}) or ""


def _remote(way: Way, remote: Remote, answers: Mapping[str, Answer]) -> Plan:
    address = Input(name="url", value=remote.url, variables=remote.variables)
    url = _filled(address, answers)
    try:
        parts = urlsplit(url or "")
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if url is None or not is_address or re.search(r"[\s\x00-\x1f]", url):
        raise InvalidInput("The answers do not make a usable address.", data={"field": "url"})
    headers = {one.name: value for one in remote.headers for value in _values(one, answers)}
    config: dict[str, Any] = {"type": way.transport, "url": url}
    if headers:
        config["headers"] = {name: value.text for name, value in headers.items()}
    lines = [_shown(address, answers), *(f"{name}: {value.shown}" for name, value in headers.items())]
    return Plan(config, "\n".join(lines))
