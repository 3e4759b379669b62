"""What a password must have. Above: `actions`. Below: nothing."""

from __future__ import annotations

import secrets
import string

from mcphub.errors import InvalidInput
from mcphub.texts import is_storable

SPECIAL = frozenset("!@#$%^&*()_+-=[]{};':\"\\|,.<>/?")
LEAST = 8
#: Longer ones are refused rather than hashed: hashing time grows with length.
MOST = 1024


def weaknesses(password: str) -> list[str]:
    """The rules a password breaks, as sentences; empty where it is good enough."""
    rules = (
        (LEAST <= len(password) <= MOST, f"It must have {LEAST} to {MOST} characters."),
        (any(letter in string.ascii_letters for letter in password), "It must contain a letter."),
        (any(letter in string.digits for letter in password), "It must contain a digit."),
        (any(letter in SPECIAL for letter in password), "It must contain a special character."),
    )
    return [rule for kept, rule in rules if not kept]


def require_strong(password: object) -> str:
    """The password, or `InvalidInput` with all broken rules under `errors`."""
    if not isinstance(password, str) or not is_storable(password):
        raise InvalidInput("A password must be a text.")
    if broken := weaknesses(password):
        raise InvalidInput("The password is too weak.", data={"errors": broken})
    return password


def require_length(password: object, least: int) -> str:
    """The password, or `InvalidInput` where it is shorter than `least` or too long to hash."""
    if not isinstance(password, str) or not least <= len(password) <= MOST:
        raise InvalidInput(f"A password must have {least} to {MOST} characters.")
    return password


def generated() -> str:
    """A password nobody chose: 24 URL-safe characters that satisfy every rule."""
    while weaknesses(password := secrets.token_urlsafe(18)):
        pass
    return password
