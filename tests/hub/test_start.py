"""`manage.py runhub` as a person meets it: the first start, the second one, and starts that cannot be."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.hub import hub, hub_environment, stdio
from tests.tools.processes import REPOSITORY, free_port, is_alive, port_open, running, until

RUNHUB = [sys.executable, REPOSITORY / "manage.py", "runhub"]


def refused(home: Path, **environment: str) -> str:
    """The last words of a hub that cannot start; asserts exit status 1."""
    told = subprocess.run(
        [str(part) for part in RUNHUB],
        env={**os.environ, **hub_environment(home, free_port()), **environment},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert told.returncode == 1
    assert "Traceback" not in told.stderr + told.stdout
    return told.stderr.strip()


def test_the_first_start_shows_a_generated_password_once(tmp_path: Path) -> None:
    environment = hub_environment(tmp_path, free_port()) | {"ADMIN_PASSWORD": ""}
    with running(RUNHUB, env=environment, cwd=tmp_path) as first:
        first.wait_for_output("MCPHub is ready", 60)
        assert re.search(r"sign in as admin with the password \S{16,}", first.output())
    with running(RUNHUB, env=environment, cwd=tmp_path) as second:
        second.wait_for_output("MCPHub is ready", 60)
        assert "password" not in second.output()


def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    with hub({"raw": stdio()}, folder=tmp_path) as first:
        assert first.api("PUT", "/servers/raw/tools/raw-echo/description", {"description": "kept"})[0] == 200
        until(lambda: "kept" in str(first.rpc("/mcp", "tools/list")), 10, "the new description")
    with hub(folder=tmp_path) as second:
        assert "kept" in str(second.rpc("/mcp", "tools/list"))
        assert second.call("raw-echo", {"text": "again"})["result"]["content"][0]["text"] == "again"


def test_what_the_hub_writes_is_private_to_its_user(tmp_path: Path) -> None:
    with hub(folder=tmp_path) as started:
        for path in (started.data, *started.data.glob("*.key*")):
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_a_port_in_use_ends_the_start_with_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = refused(tmp_path, PORT=str(port))
    assert said == f"CommandError: Port {port} on 127.0.0.1 is in use; set PORT to another one."


def test_a_folder_that_cannot_be_written_ends_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(tmp_path, MCPHUB_DATA_DIR=str(tmp_path / "file" / "data"))
    assert len(said.splitlines()) == 1
    assert str(tmp_path / "file" / "data") in said


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("PORT", "70000"), ("READONLY", "perhaps"), ("DATABASE_URL", "mysql://x/y")]
)
def test_a_bad_value_ends_the_start_with_one_line_that_names_it(tmp_path: Path, name: str, value: str) -> None:
    said = refused(tmp_path, **{name: value})
    assert len(said.splitlines()) == 1
    assert name in said


def test_an_unreadable_settings_file_ends_the_start_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "mcp_settings.json").write_text('{"mcpServers": ')
    said = refused(tmp_path)
    assert len(said.splitlines()) == 1
    assert "mcp_settings.json" in said


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_child_survives_the_hub(tmp_path: Path, end: signal.Signals) -> None:
    with hub({"raw": stdio()}, folder=tmp_path) as started:
        child = int(started.call("raw-pid")["result"]["content"][0]["text"])
        assert is_alive(child)
        os.kill(started.process.pid, end)
        until(lambda: not is_alive(child), 10, "the end of the child")
        until(lambda: started.process.process.poll() is not None, 15, "the end of the hub")


def test_a_hub_under_a_base_path_serves_everything_there(tmp_path: Path) -> None:
    environment = hub_environment(tmp_path, free_port()) | {"BASE_PATH": "/tools/hub"}
    with running(RUNHUB, env=environment, cwd=tmp_path) as started:
        started.wait_for_output("MCPHub is ready", 60)
        port = int(environment["PORT"])
        assert port_open(port)
        statuses = {path: status_of(port, path) for path in ("/tools/hub/mcp", "/mcp", "/tools/hub/config", "/health")}
    assert statuses == {"/tools/hub/mcp": 401, "/mcp": 404, "/tools/hub/config": 200, "/health": 200}


def status_of(port: int, path: str) -> int:
    """The status of a plain GET."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as wire:
        wire.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        return int(wire.makefile("rb").readline().split()[1])
