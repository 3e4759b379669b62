"""What every benchmark needs: a hub of its own (`tests.tools.hub`) and `wrk` as the load. Loopback only."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Load:
    """What `wrk` measured. Times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    errors: int

    def __str__(self) -> str:
        wrong = f", {self.errors} ERRORS" if self.errors else ""
        return f"{self.per_second:9,.0f} /s   p50 {self.p50:6.2f} ms   p99 {self.p99:6.2f} ms{wrong}"


_SCALE = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(
    url: str, body: bytes, headers: Mapping[str, str], *, connections: int, seconds: int = 5, pause: int = 0
) -> Load:
    """Post `body` again and again from one thread; a connection pauses about so many milliseconds after an answer."""
    if shutil.which("wrk") is None:
        sys.exit("benchmarks need wrk: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua", delete=False) as script:
        script.write('wrk.method = "POST"\n')
        script.write(f"wrk.body = {_lua(body.decode())}\n")
        for name, value in headers.items():
            script.write(f"wrk.headers[ {_lua(name)} ] = {_lua(value)}\n")
        if pause:
            script.write(f"function delay() return math.random(0, {2 * pause}) end\n")
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, url]
    told = subprocess.run(command, capture_output=True, text=True, check=True)
    Path(script.name).unlink()
    return _read(told.stdout)


def _lua(text: str) -> str:
    return "[==[" + text + "]==]"


def _read(text: str) -> Load:
    def percentile(which: str) -> float:
        found = re.search(rf"{which}%\s+([\d.]+)(us|ms|s)\b", text)
        return float(found[1]) * _SCALE[found[2]] if found else float("nan")

    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    wrong = (int(errors[1]) if errors else 0) + (sum(int(n) for n in broken.groups()) if broken else 0)
    return Load(float(rate[1]) if rate else 0.0, percentile("50"), percentile("99"), wrong)
