"""Open files: the hub needs many, and its children get the limit that the hub was started with.

Every stdio server costs three descriptors, every client and every remote call one; the usual soft limit of 1,024 ends a
hub of some three hundred servers with "too many open files", though the system grants any program that asks far more.
Children are not asked whether they can live with more, so they keep what they would have had without the hub.
Above: `mcphub.hub`, `children`. Below: the kernel.
"""

from __future__ import annotations

import logging
import resource

logger = logging.getLogger(__name__)

#: More than any hub needs; programs that close every possible descriptor must not be busy with it for seconds.
_ENOUGH = 1 << 20

#: The soft limit this process was started with.
STARTED_WITH = resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_limit() -> None:
    """Let this process open as many files as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as refused:  # some systems grant less than they say
        logger.warning("The limit of open files stays at %d: %s", soft, refused)
