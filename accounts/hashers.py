"""ImportedBcryptHasher: verifies the bcrypt hashes that settings files bring (`$2a$`, `$2b$`, `$2y$`)."""

from __future__ import annotations

import re

import bcrypt
from django.contrib.auth.hashers import BCryptPasswordHasher

#: bcrypt never looked further; the library now refuses instead of cutting, which the old hashes did not.
_LENGTH = 72
_HASH = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


def is_bcrypt(text: str) -> bool:
    """Whether a text is a bcrypt hash."""
    return _HASH.fullmatch(text) is not None


def imported(text: str) -> str:
    """A bcrypt hash in the form `User.password` holds."""
    return f"{ImportedBcryptHasher.algorithm}${text}"


class ImportedBcryptHasher(BCryptPasswordHasher):
    """See the module. Hashes are `bcrypt$` and the text as imported; Django replaces them at the next sign-in."""

    algorithm = "bcrypt"

    def encode(self, password: str, salt: str | bytes) -> str:
        raw = bcrypt.hashpw(password.encode()[:_LENGTH], salt if isinstance(salt, bytes) else salt.encode("ascii"))
        return f"{self.algorithm}${raw.decode('ascii')}"
