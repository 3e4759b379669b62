"""Order of version strings, by the rules of the official registry: semantic versions compare, others do not.

Above: installs ("a newer version exists"), the catalogue. Below: nothing.
"""

from __future__ import annotations

import re

_SEMVER = re.compile(
    r"v?(\d{1,18})(?:\.(\d{1,18}))?(?:\.(\d{1,18}))?(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?", re.ASCII
)
Key = tuple[tuple[int, int, int], bool, tuple[tuple[int, int, str], ...]]


def order_of(version: str) -> Key | None:
    """A key that orders semantic versions (a leading v and missing parts allowed); None for anything else."""
    match = _SEMVER.fullmatch(version.strip())
    if match is None:
        return None
    major, minor, patch, before = match.groups()
    # Numeric identifiers are lower than words; a version before a release is lower than the release.
    identifiers = tuple(
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in (before.split(".") if before else ())
    )
    return (int(major), int(minor or 0), int(patch or 0)), before is None, identifiers


def is_newer(candidate: str, installed: str) -> bool:
    """Whether `candidate`, published as the latest, replaces `installed`.

    Where one of them is no semantic version the latest publication counts, as in the registry; an unknown version
    ("") is never newer and never outdated.
    """
    if not candidate or not installed or candidate == installed:
        return False
    ours, theirs = order_of(installed), order_of(candidate)
    return True if ours is None or theirs is None else theirs > ours
