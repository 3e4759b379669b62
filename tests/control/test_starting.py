"""Settings as a process reads them: what is refused, what is made at first use, and Django's own checks."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def manage(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *words],
        cwd=folder,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "MCPHUB_DATA_DIR": str(folder / "data"),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"INSTALL_BASE_URL": "https://hub.example.org"},
        {"BASE_PATH": "/hub/", "TRUST_PROXY": "true", "ALLOWED_HOSTS": "hub.example.org"},
    ],
)
def test_a_deployment_passes_djangos_checks(tmp_path: Path, environment: dict[str, str]) -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", folder=tmp_path, **environment)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    ("environment", "hint"),
    [
        ({"PORT": "eighty"}, "PORT must be a whole number"),
        ({"PORT": "70000"}, "PORT must lie in"),
        ({"READONLY": "maybe"}, "READONLY must be true or false"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must look like"),
        ({"MCPHUB_DATA_DIR": "/proc/nowhere"}, "Cannot read or make"),
    ],
)
def test_a_bad_value_is_one_clear_line(tmp_path: Path, environment: dict[str, str], hint: str) -> None:
    done = manage("check", folder=tmp_path, **environment)
    assert done.returncode == 1
    assert hint in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_many_processes_need_a_database_for_many(tmp_path: Path) -> None:
    done = manage("check", folder=tmp_path, REDIS_URL="redis://127.0.0.1:6379/9")
    assert done.returncode == 1 and "mcphub.E001" in done.stderr


def test_an_open_hub_is_warned_of(tmp_path: Path) -> None:
    assert "mcphub.W001" in manage("check", "--deploy", folder=tmp_path, HOST="0.0.0.0").stderr


def test_keys_are_made_once_and_private(tmp_path: Path) -> None:
    manage("check", folder=tmp_path)
    key = tmp_path / "data" / "signing.key"
    first = key.read_text()
    manage("check", folder=tmp_path)
    assert key.read_text() == first
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and stat.S_IMODE(key.parent.stat().st_mode) == 0o700


def test_a_file_of_variables_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("# a comment\nexport PORT=3456\nHOST = '::1'  \nBASE_PATH=/file # trailing\n\n")
    code = "from django.conf import settings as s; print(s.PORT, s.HOST, s.BASE_PATH)"
    done = manage("shell", "-v", "0", "-c", code, folder=tmp_path, BASE_PATH="/env")
    assert done.stdout.split() == ["3456", "::1", "/env"], done.stderr
    (tmp_path / ".env").write_text("nonsense\n")
    assert "line 1" in manage("check", folder=tmp_path).stderr


def test_no_model_lacks_a_migration(tmp_path: Path) -> None:
    assert manage("makemigrations", "--check", "--dry-run", folder=tmp_path).returncode == 0
