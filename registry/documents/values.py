"""What a `server.json` says, as frozen values, whatever schema revision it was written in. Above: `reading`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Format = Literal["string", "number", "boolean", "filepath"]
Transport = Literal["stdio", "streamable-http", "sse"]


@dataclass(frozen=True, slots=True)
class Input:
    """A value that the document fixes, or that whoever installs must or may give.

    Attributes:
        name: of the environment variable, header, flag, or placeholder that takes the value.
        value: fixed text, which may hold `{placeholders}`; None where the value is asked for.
        variables: what the placeholders stand for.
        hint: a positional argument's `valueHint`.
    """

    name: str
    description: str = ""
    required: bool = False
    secret: bool = False
    format: Format = "string"
    value: str | None = None
    default: str | None = None
    placeholder: str = ""
    choices: tuple[str, ...] = ()
    variables: tuple[Input, ...] = ()
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command line. `flag` is "" for positional ones, else it comes before the value."""

    flag: str
    input: Input
    repeated: bool = False

    @property
    def is_bare(self) -> bool:
        """Whether it is a flag without any value, such as --stdio."""
        told = self.input
        expects = (told.default, told.hint, told.placeholder, told.choices, told.variables, told.description)
        return bool(self.flag) and not any(expects) and not told.value and told.format == "string"


@dataclass(frozen=True, slots=True)
class Remote:
    """A hosted server. `url` may hold placeholders, which only `variables` fill."""

    transport: Transport
    url: str
    headers: tuple[Input, ...] = ()
    variables: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Package:
    """A server to run oneself.

    Attributes:
        registry: npm, pypi, oci, nuget, mcpb, cargo, or a word this hub does not know.
        base_url: another package registry than the usual one; "" for the usual one.
        transport: how the started process is spoken to; anything but stdio makes it a network service.
    """

    registry: str
    identifier: str
    version: str = ""
    base_url: str = ""
    sha256: str = ""
    hint: str = ""
    transport: Transport = "stdio"
    url: str = ""
    runtime_arguments: tuple[Argument, ...] = ()
    arguments: tuple[Argument, ...] = ()
    environment: tuple[Input, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A whole `server.json`.

    Attributes:
        notes: what could not be understood and was left out, as sentences; empty for a clean document.
    """

    name: str
    version: str
    title: str = ""
    description: str = ""
    website: str = ""
    repository: str = ""
    packages: tuple[Package, ...] = ()
    remotes: tuple[Remote, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports it can be used with, each once."""
        found = [package.transport for package in self.packages] + [remote.transport for remote in self.remotes]
        return tuple(dict.fromkeys(found))
