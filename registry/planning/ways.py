"""The ways to use a document on a machine: each package by each runner that fits, and each remote; best first.

A way that cannot run here is kept and says why: people want to know what they would have to install. Above: `commands`,
the API. Below: `machine`, `documents`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from registry.documents.values import Argument, Document, Input, Package, Remote
from registry.planning.machine import Machine, normalised

#: What may stand in the place of a package's name on a command line. None begins with a dash or holds a blank.
_IDENTIFIERS = {
    "npm": re.compile(r"(@[a-z0-9~][\w.~-]*/)?[a-z0-9~][\w.~-]*", re.IGNORECASE),
    "pypi": re.compile(r"[a-z0-9]([\w.-]*[a-z0-9])?(\[[\w,.-]+\])?", re.IGNORECASE),
    "oci": re.compile(r"[a-z0-9][a-z0-9._:/-]*[a-z0-9](:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?", re.IGNORECASE),
    "nuget": re.compile(r"[a-z0-9][\w.-]*", re.IGNORECASE),
}
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+!_-]*")
_UNKNOWN_KIND = "This hub does not know how to run {} packages."
_WHY_NOT = {
    "mcpb": "This is a bundle: download it, check its SHA-256 and upload it under Servers.",
    "cargo": "Cargo packages have to be built; install the program yourself and add it as a command.",
}


@dataclass(frozen=True, slots=True)
class Way:
    """One way to use a document.

    Attributes:
        id: stable within the document, e.g. `npx:@scope/name` or `remote:https://…`.
        runner: npx, uvx, script, docker, dnx, remote, or "" where nothing can run it.
        command: the words before the package's own arguments; empty for remotes.
        questions: what may be asked, required ones first.
        obstacle: why it cannot be used here, "" where it can. caution: why it may not work although it can be tried.
    """

    id: str
    label: str
    runner: str
    transport: str
    source: Package | Remote
    command: tuple[str, ...] = ()
    questions: tuple[Input, ...] = ()
    obstacle: str = ""
    caution: str = ""

    @property
    def is_usable(self) -> bool:
        """Whether this machine can run it."""
        return not self.obstacle

    @property
    def missing(self) -> tuple[Input, ...]:
        """The questions that need an answer, as nothing stands in for one."""
        return tuple(one for one in self.questions if one.required and one.default is None)


def ways_of(document: Document, machine: Machine) -> list[Way]:
    """All ways, best first: usable before not; scripts and package runners, remotes, then containers."""
    found: dict[str, Way] = {}
    for way in _all(document, machine):
        number, key = 2, way.id
        # Published documents name the same package twice, with other arguments: both must stay reachable.
        while key in found:
            key, number = f"{way.id}#{number}", number + 1
        found[key] = replace(way, id=key)
    return sorted(found.values(), key=lambda way: (not way.is_usable, bool(way.caution), _RANK.get(way.runner, 4)))


_RANK = {"script": 0, "npx": 1, "uvx": 1, "dnx": 1, "remote": 2, "docker": 3}


def _all(document: Document, machine: Machine) -> Iterator[Way]:
    for package in document.packages:
        yield from _package_ways(package, machine)
    for remote in document.remotes:
        yield Way(
            id=f"remote:{remote.url}",
            label=f"Remote {remote.url}",
            runner="remote",
            transport=remote.transport,
            source=remote,
            questions=questions_of(remote),
        )


def _package_ways(package: Package, machine: Machine) -> Iterator[Way]:
    make = _MAKERS.get(package.registry)
    obstacle = _obstacle(package)
    if make is None or obstacle:
        known = _WHY_NOT.get(package.registry) or _UNKNOWN_KIND.format(package.registry)
        yield _way(package, "", (), obstacle or known)
        return
    yield from make(package, machine)


def _obstacle(package: Package) -> str:
    pattern = _IDENTIFIERS.get(package.registry)
    if pattern is None:
        return ""
    if not pattern.fullmatch(package.identifier):
        return "The package's name is not one that can be run safely."
    if package.version and not _VERSION.fullmatch(package.version):
        return "The package's version is not one that can be run safely."
    if package.transport != "stdio":
        return "The package starts a network service; run it yourself and add its address as a remote server."
    return ""


def _npm(package: Package, machine: Machine) -> Iterator[Way]:
    named = f"{package.identifier}@{package.version}" if package.version else package.identifier
    runtime = [argument for argument in package.runtime_arguments if _fixed(argument) not in ("-y", "--yes")]
    package = replace(package, runtime_arguments=tuple(runtime))
    yield _run(package, machine, "npx", ("-y",), (named,), "Install Node.js to run npm packages.")


def _pypi(package: Package, machine: Machine) -> Iterator[Way]:
    installed = machine.scripts.get(normalised(package.identifier.partition("[")[0]))
    if installed and installed.version == (package.version or installed.version):
        yield _way(package, "script", (installed.path,), "")
    named = f"{package.identifier}@{package.version}" if package.version else package.identifier
    without = "Install uv to run PyPI packages."
    if "uvx" not in machine.programs and "uv" in machine.programs:
        yield _run(package, machine, "uv", ("tool", "run"), (named,), without, runner="uvx")
    elif "uvx" not in machine.programs and "pipx" in machine.programs:
        pinned = f"{package.identifier}=={package.version}" if package.version else package.identifier
        yield _run(package, machine, "pipx", ("run",), (pinned,), without, runner="uvx")
    else:
        yield _run(package, machine, "uvx", (), (named,), without)


def _oci(package: Package, machine: Machine) -> Iterator[Way]:
    image = package.identifier
    if package.version and ":" not in image.rpartition("/")[2] and "@" not in image:
        image = f"{image}:{package.version}"
    # The document's own words may repeat the run command, as its schema does not say who writes it.
    runtime = [one for one in package.runtime_arguments if _fixed(one) not in ("run", "-i", "--rm", "-it")]
    without = "Install Docker to run container images."
    package = replace(package, runtime_arguments=tuple(runtime))
    way = _run(package, machine, "docker", ("run", "-i", "--rm"), (image,), without)
    # Looked for where engines usually listen, so its absence is a hint and no refusal.
    yield way if machine.engine else replace(way, caution="The Docker engine does not seem to run.")


def _nuget(package: Package, machine: Machine) -> Iterator[Way]:
    named = f"{package.identifier}@{package.version}" if package.version else package.identifier
    yield _run(package, machine, "dnx", (), (named, "--yes", "--"), "Install the .NET 10 SDK to run NuGet packages.")


_MAKERS: dict[str, Callable[[Package, Machine], Iterator[Way]]] = {
    "npm": _npm, "pypi": _pypi, "oci": _oci, "nuget": _nuget,
}  # fmt: skip


def _run(
    package: Package,
    machine: Machine,
    program: str,
    before: tuple[str, ...],
    named: tuple[str, ...],
    without: str,
    *,
    runner: str = "",
) -> Way:
    """A way through a package runner. `named` are the words that name the package; None marks its place."""
    start = machine.programs.get(program, program)
    words = (start, *before, RUNTIME_ARGUMENTS, *named)
    return _way(package, runner or program, words, "" if program in machine.programs else without)


#: Stands in `Way.command` where the document's runtime arguments belong; no real word, as it holds a NUL.
RUNTIME_ARGUMENTS = "\0runtime"


def _way(package: Package, runner: str, command: tuple[str, ...], obstacle: str) -> Way:
    kind = runner or package.registry
    version = f" {package.version}" if package.version else ""
    return Way(
        id=f"{kind}:{package.identifier}",
        label=f"{kind} {package.identifier}{version}",
        runner=runner,
        transport=package.transport,
        source=package,
        command=command,
        questions=questions_of(package) if runner else (),
        obstacle=obstacle,
    )


def questions_of(source: Package | Remote) -> tuple[Input, ...]:
    """What may be asked for a package or remote, each name once, required ones first."""
    inputs: list[Input] = []
    if isinstance(source, Remote):
        inputs += [*source.headers, *source.variables]
    else:
        arguments = (*source.runtime_arguments, *source.arguments)
        inputs += [*source.environment, *(one.input for one in arguments if not one.is_bare)]
    asked: dict[str, Input] = {}
    for one in inputs:
        for question in one.variables if one.value is not None else (one,):
            # A variable is as secret as the text it stands in.
            asked.setdefault(question.name, replace(question, secret=question.secret or one.secret))
    fixed = [question for question in asked.values() if question.value is None]
    return tuple(sorted(fixed, key=lambda question: not question.required))


def _fixed(argument: Argument) -> str:
    """The word an argument always is; "" where it depends on answers."""
    if argument.flag:
        return argument.flag if argument.is_bare else ""
    return argument.input.value or ""
