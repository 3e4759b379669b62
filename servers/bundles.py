"""MCPB bundles: reading one (a ZIP with a manifest), unpacking it safely, and the server it describes.

A bundle comes from anywhere, so nothing of it is believed: names that leave the folder, links, devices, encrypted or
doubled entries, and more than the limits allow are refused before anything is written; sizes are counted again while
unpacking, as an archive may lie. Above: `actions.bundles`. Below: `config`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mcphub.errors import InvalidInput
from servers import config as rules

#: Of the archive, of everything in it unpacked, of the manifest (bytes), and how many entries it may have.
MAX_ARCHIVE = 500 * 1024 * 1024
MAX_UNPACKED = 1024 * 1024 * 1024
MAX_MANIFEST = 1024 * 1024
MAX_ENTRIES = 20_000
MANIFEST = "manifest.json"

_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}")
_CHUNK = 256 * 1024
_USER_CONFIG = re.compile(r"\$\{user_config\.([A-Za-z0-9_.-]+)\}")
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Bundle:
    """An archive whose manifest and entries were found acceptable. `entries` are files, by their paths inside."""

    manifest: dict[str, Any]
    name: str
    version: str
    archive: zipfile.ZipFile
    entries: Mapping[PurePosixPath, zipfile.ZipInfo]


@contextlib.contextmanager
def opened(file: IO[bytes]) -> Iterator[Bundle]:
    """A bundle from an uploaded file. Raises `InvalidInput`, also for what goes wrong within while unpacking."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _entries(archive)
            manifest = _manifest(archive, entries)
            yield Bundle(manifest, *_identity(manifest), archive, entries)
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    ) as broken:
        raise InvalidInput(f"The bundle is no readable ZIP archive: {broken}.") from None


def unpacked(bundle: Bundle, root: Path) -> Path:
    """Unpack into a folder named after the bundle's name and version; an earlier one of both is replaced at once.

    Raises `InvalidInput` where the archive is larger than it says.
    """
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = root / bundle.name / bundle.version
    target.parent.mkdir(exist_ok=True)
    # Beside its place, so that the last step is a rename and a half-unpacked bundle is never used.
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=root) as folder:
        fresh, gone = Path(folder, "new"), Path(folder, "old")
        fresh.mkdir()
        _unpack(bundle, fresh)
        with contextlib.suppress(FileNotFoundError):
            target.rename(gone)
        fresh.rename(target)
    return target


def server_config(bundle: Bundle, folder: Path) -> dict[str, Any]:
    """The configuration of the server a bundle describes, unpacked in `folder`.

    Settings that a person has to give become variables (`${API_KEY}`) where the manifest has no default.
    Raises `InvalidInput` where the manifest does not say how to start it.
    """
    server = bundle.manifest["server"]
    start = server.get("mcp_config")
    if not isinstance(start, Mapping) or not isinstance(start.get("command"), str):
        raise InvalidInput("The manifest has no server.mcp_config.command.")
    special = (start.get("platform_overrides") or {}).get("linux")
    start = {**start, **special} if isinstance(special, Mapping) else start
    asked = bundle.manifest.get("user_config")

    def filled(text: Any) -> str:
        known = str(text).replace("${__dirname}", str(folder)).replace("${/}", os.sep)
        return _USER_CONFIG.sub(lambda found: _setting(asked, found[1]), known)

    config: dict[str, Any] = {"type": "stdio", "command": filled(start["command"])}
    if isinstance(start.get("args"), list):
        config["args"] = [filled(argument) for argument in start["args"]]
    if isinstance(start.get("env"), Mapping):
        config["env"] = {str(name): filled(value) for name, value in start["env"].items()}
    if isinstance(bundle.manifest.get("description"), str):
        config["description"] = bundle.manifest["description"]
    return config


def _setting(asked: Any, name: str) -> str:
    described = asked.get(name) if isinstance(asked, Mapping) else None
    default = described.get("default") if isinstance(described, Mapping) else None
    if isinstance(default, str | int | float):
        return str(default).lower() if isinstance(default, bool) else str(default)
    return "${" + re.sub(r"[^A-Za-z0-9]+", "_", name).upper() + "}"


def _entries(archive: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    listed = archive.infolist()
    if len(listed) > MAX_ENTRIES:
        raise InvalidInput(f"The bundle has more than {MAX_ENTRIES} entries.")
    if sum(entry.file_size for entry in listed) > MAX_UNPACKED:
        raise InvalidInput(f"The bundle is larger than {MAX_UNPACKED // 1024**2} MB unpacked.")
    files: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in listed:
        path = _safe_path(entry)
        if entry.is_dir():
            continue
        if path in files:
            raise InvalidInput(f"The bundle has {entry.filename!r} twice.")
        files[path] = entry
    return files


def _safe_path(entry: zipfile.ZipInfo) -> PurePosixPath:
    """Where an entry belongs, relative to the bundle's folder. Raises `InvalidInput`."""
    # What the archive itself says: `filename` was already changed to look harmless.
    name = entry.orig_filename
    path = PurePosixPath(name)
    mode = stat.S_IFMT(entry.external_attr >> 16)
    escapes = path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name
    if not path.parts or escapes or any(len(part.encode()) > 255 for part in path.parts) or len(path.parts) > 64:
        raise InvalidInput(f"The bundle has an entry with an unusable name: {name[:100]!r}.")
    if mode not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise InvalidInput(f"The bundle has a link or a special file: {name[:100]!r}.")
    if entry.flag_bits & _ENCRYPTED:
        raise InvalidInput("The bundle has encrypted entries.")
    return path


def _manifest(archive: zipfile.ZipFile, entries: Mapping[PurePosixPath, zipfile.ZipInfo]) -> dict[str, Any]:
    entry = entries.get(PurePosixPath(MANIFEST))
    if entry is None:
        raise InvalidInput(f"The bundle has no {MANIFEST}.")
    with archive.open(entry) as file:
        raw = file.read(MAX_MANIFEST + 1)
    if len(raw) > MAX_MANIFEST:
        raise InvalidInput(f"{MANIFEST} is too large.")
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError):
        raise InvalidInput(f"{MANIFEST} is not valid JSON.") from None
    if not isinstance(manifest, dict):
        raise InvalidInput(f"{MANIFEST} must be an object.")
    return manifest


def _identity(manifest: Mapping[str, Any]) -> tuple[str, str]:
    for member in ("manifest_version", "name", "version", "server"):
        if not manifest.get(member):
            raise InvalidInput(f"{MANIFEST} needs {member}.")
    version = manifest["version"]
    if not isinstance(version, str) or not _VERSION.fullmatch(version) or ".." in version:
        raise InvalidInput("The manifest's version must be a text such as 1.0.0.")
    if not isinstance(manifest["server"], Mapping):
        raise InvalidInput("The manifest's server must be an object.")
    name = rules.server_name(manifest["name"])
    if name != manifest["name"] or name.startswith("."):
        raise InvalidInput("The manifest's name has letters, digits, dots, underscores and hyphens, no dot first.")
    return name, version


def _unpack(bundle: Bundle, folder: Path) -> None:
    left = MAX_UNPACKED
    for path, entry in bundle.entries.items():
        target = folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with bundle.archive.open(entry) as source, target.open("xb") as out:
                left = _copied(source, out, left)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise InvalidInput(f"The bundle has {entry.filename[:100]!r} as a file and as a folder.") from None
        target.chmod(0o755 if (entry.external_attr >> 16) & 0o111 else 0o644)


def _copied(source: IO[bytes], out: IO[bytes], left: int) -> int:
    """Copy a file; how many bytes are left of the limit."""
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise InvalidInput(f"The bundle is larger than {MAX_UNPACKED // 1024**2} MB unpacked.")
        out.write(chunk)
    return left
