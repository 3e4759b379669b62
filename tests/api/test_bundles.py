"""MCPB bundles over HTTP: good ones, bad ones and hostile ones."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from servers import bundles
from servers.models import Server
from tests.tools.rest import Caller

UPLOAD = "/api/mcpb/upload"
MANIFEST: dict[str, Any] = {
    "manifest_version": "0.2",
    "name": "weather",
    "version": "1.0.0",
    "description": "Weather",
    "server": {
        "type": "node",
        "mcp_config": {
            "command": "node",
            "args": ["${__dirname}/index.js", "--unit", "${user_config.unit}"],
            "env": {"API_KEY": "${user_config.api_key}"},
        },
    },
    "user_config": {"unit": {"default": "celsius"}, "api_key": {"type": "string", "sensitive": True}},
}


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.MCPHUB_DATA_DIR = tmp_path


def packed(files: Mapping[str | zipfile.ZipInfo, str | bytes], manifest: Any = MANIFEST) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        if manifest is not None:
            archive.writestr("manifest.json", manifest if isinstance(manifest, str) else json.dumps(manifest))
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def upload(caller: Caller, content: bytes, name: str = "w.mcpb", **fields: str) -> tuple[int, Any]:
    file = io.BytesIO(content)
    file.name = name
    reply = Client().post(UPLOAD, {"mcpbFile": file, **fields}, headers=caller.headers)
    return reply.status_code, reply.json()


def test_a_bundle_is_kept_by_name_and_version(admin: Caller, tmp_path: Path) -> None:
    script = zipfile.ZipInfo("bin/run.sh")
    script.external_attr = 0o100755 << 16
    status, reply = upload(admin, packed({"index.js": "//", script: "#!/bin/sh"}))
    assert status == 200
    folder = Path(reply["data"]["extractDir"])
    assert folder == tmp_path / "uploads" / "mcpb" / "weather" / "1.0.0"
    assert reply["data"]["manifest"] == MANIFEST
    assert (folder / "bin/run.sh").stat().st_mode & stat.S_IXUSR
    assert upload(admin, packed({"other.js": "//"}))[0] == 200
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "other.js"]
    assert upload(admin, packed({}, MANIFEST | {"version": "1.1.0"}))[0] == 200
    assert sorted(path.name for path in folder.parent.iterdir()) == ["1.0.0", "1.1.0"]
    assert [path.name for path in folder.parent.parent.iterdir()] == ["weather"]
    assert not Server.objects.exists()


def test_a_bundle_is_registered_where_asked_and_updated_by_the_next(admin: Caller) -> None:
    assert upload(admin, packed({"index.js": "//"}), register="true")[1]["data"]["server"] == "weather"
    server = Server.objects.get(name="weather")
    folder = server.config["args"][0].removesuffix("/index.js")
    assert server.config["args"][1:] == ["--unit", "celsius"]
    assert server.config["env"] == {"API_KEY": "${API_KEY}"}
    assert (Path(folder) / "index.js").exists()
    admin.put("/api/servers/weather", {"config": {"env": {"API_KEY": "mine", "MORE": "1"}}})
    upload(admin, packed({"index.js": "//"}, MANIFEST | {"version": "2.0.0"}), register="true")
    assert "2.0.0" in Server.objects.get(name="weather").config["args"][0]


def link(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "content",
    [
        b"not a zip",
        packed({}, None),
        packed({}, "{bad"),
        packed({}, "[]"),
        packed({}, {**MANIFEST, "name": "../evil"}),
        packed({}, {**MANIFEST, "name": ".hidden"}),
        packed({}, {**MANIFEST, "name": 5}),
        packed({}, {**MANIFEST, "version": "../1"}),
        packed({}, {**MANIFEST, "version": 1}),
        packed({}, {**MANIFEST, "server": "x"}),
        packed({}, {name: value for name, value in MANIFEST.items() if name != "manifest_version"}),
        packed({"../../escape.txt": "x"}),
        packed({"/etc/cron.d/x": "x"}),
        packed({"a\\..\\b": "x"}),
        packed({"C:/x": "x"}),
        packed({link("link"): "/etc/passwd"}),
        packed({"a": "x", "a/b": "x"}),
        packed({"x" * 300: "x"}),
    ],
)
def test_an_unsafe_or_unreadable_bundle_is_refused_and_leaves_nothing(
    admin: Caller, tmp_path: Path, content: bytes
) -> None:
    assert upload(admin, content)[0] == 400
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_bomb_is_refused(admin: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_UNPACKED", 100_000)
    assert upload(admin, packed({"zeros": bytes(200_000)}))[0] == 400
    lying = packed({"zeros": bytes(200_000)}).replace((200_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert upload(admin, lying)[0] == 400
    monkeypatch.setattr(bundles, "MAX_ENTRIES", 10)
    assert upload(admin, packed({str(number): "" for number in range(11)}))[0] == 400
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_bundles_are_for_admins_and_have_a_name_of_their_own(admin: Caller, dana: Caller, anonymous: Caller) -> None:
    assert upload(dana, packed({}))[0] == 403
    assert upload(anonymous, packed({}))[0] == 401
    assert upload(admin, packed({}), name="w.zip")[0] == 400
    assert upload(admin, packed({}), name="W.MCPB")[0] == 200
    assert admin.post(UPLOAD, {}).status == 400
