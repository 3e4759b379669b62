"""What exactly is executed for a stdio server: argument vector, environment, proxy wrapping.

Above: `stdio`. Below: `snapshot`. The environment is built from nothing (architecture, law 13; defect 2): `PATH`,
`HOME`, `LANG` and what is configured.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mcphub.gateway.errors import UpstreamUnavailable
from mcphub.gateway.snapshot import ProxySpec, StdioSpec

_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "fish", "ksh", "csh", "tcsh", "ash"})
_WORD = re.compile(r"[^\s#\[\]]+")
_DIRECT = ("127.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0", "172.16.0.0/255.240.0.0", "192.168.0.0/255.255.0.0")


def environment(spec: StdioSpec) -> dict[str, str]:
    """The whole environment of the child."""
    own = {"PATH": os.environ.get("PATH", _DEFAULT_PATH), "HOME": os.environ.get("HOME", "/")}
    own["LANG"] = os.environ.get("LANG", "C.UTF-8")
    return {**own, **spec.env}


def proxychains(spec: StdioSpec, env: Mapping[str, str]) -> str | None:
    """Where proxychains4 is, if it is installed."""
    return shutil.which("proxychains4", path=env.get("PATH"))


def wrapped(spec: StdioSpec, proxy: ProxySpec, program: str) -> tuple[list[str], Path | None]:
    """The argument vector that runs the command through a proxy, and the conf file to delete afterwards.

    Raises:
        UpstreamUnavailable: the command is a shell (what it starts could leave the proxy unnoticed), or the proxy
            cannot be written into a conf file.
    """
    if Path(spec.command).name in _SHELLS:
        raise UpstreamUnavailable("A shell cannot be run through a proxy; name the program itself.")
    if proxy.config_path:
        return [program, "-q", "-f", proxy.config_path, spec.command, *spec.args], None
    conf = _write_conf(proxy)
    return [program, "-q", "-f", str(conf), spec.command, *spec.args], conf


def _write_conf(proxy: ProxySpec) -> Path:
    words = [proxy.type, proxy.host, str(proxy.port), *filter(None, (proxy.username, proxy.password))]
    if not all(_WORD.fullmatch(word) for word in words) or not 0 < proxy.port < 65536:
        raise UpstreamUnavailable("The proxy's host, port, user name and password must be single words.")
    lines = ["strict_chain", "proxy_dns", "remote_dns_subnet 224", "tcp_read_time_out 15000"]
    lines += ["tcp_connect_time_out 8000", *(f"localnet {network}" for network in _DIRECT)]
    lines += ["[ProxyList]", " ".join(words)]
    # mkstemp makes it 0600: it may hold the proxy's password.
    handle, name = tempfile.mkstemp(prefix="mcphub-proxy-", suffix=".conf")
    with os.fdopen(handle, "w") as file:
        file.write("\n".join(lines) + "\n")
    return Path(name)
