"""Vault: seals texts for storage and opens them again, with AES-256-GCM under a ring of keys.

The first key of the ring seals; every key opens, so that keys can be rotated without a pause. A sealed text is
`v1.<key id>.<base64 of nonce and ciphertext>`; it is bound to a purpose (the column it is stored in), so a value
cannot be moved to another column unnoticed. Above: `fields`, the commands. Below: `keyfile`, `errors`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mcphub import keyfile
from mcphub.errors import Misconfigured

_NONCE = 12


class Vault:
    """See the module. `keys`: 32 bytes each in base64 (standard or URL alphabet)."""

    def __init__(self, keys: Sequence[str]) -> None:
        ring = {_id(key): AESGCM(key) for key in map(_decoded, keys)}
        if not ring:
            raise Misconfigured("There is no encryption key.")
        self._ring = ring
        self._first = next(iter(ring))

    def seal(self, text: str, purpose: str) -> str:
        """Encrypt a text for one purpose."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._ring[self._first].encrypt(nonce, text.encode(), purpose.encode())
        return f"v1.{self._first}.{base64.b64encode(sealed).decode()}"

    def open(self, sealed: str, purpose: str) -> str:
        """Decrypt. Raises `Misconfigured` where no key of the ring fits or the text was altered."""
        version, _, rest = sealed.partition(".")
        key, _, body = rest.partition(".")
        if version != "v1" or key not in self._ring:
            raise Misconfigured(
                "A stored secret needs an encryption key that is neither in MCPHUB_ENCRYPTION_KEY nor in the key file."
            )
        raw = base64.b64decode(body)
        try:
            return self._ring[key].decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode()).decode()
        except InvalidTag:
            raise Misconfigured(f"A stored secret ({purpose}) was altered or moved and cannot be opened.") from None

    def knows(self, sealed: str) -> bool:
        """Whether the ring has the key that sealed this text."""
        return sealed.partition(".")[2].partition(".")[0] in self._ring

    def is_current(self, sealed: str) -> bool:
        """Whether the first key of the ring sealed this text."""
        return sealed.startswith(f"v1.{self._first}.")


def new_key() -> str:
    """A fresh key in the form the environment and the key file hold it."""
    return base64.b64encode(secrets.token_bytes(32)).decode()


def keys_of(configured: Sequence[str], path: Path) -> list[str]:
    """The ring: from the environment where given, else from the key file (one key a line, made at first use)."""
    return list(configured) or keyfile.text_of(path, new_key).split()


def _decoded(key: str) -> bytes:
    try:
        raw = base64.b64decode(key.replace("-", "+").replace("_", "/") + "=" * (-len(key) % 4), validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Misconfigured("An encryption key must be 32 bytes in base64 (`openssl rand -base64 32` makes one).")
    return raw


def _id(key: bytes) -> str:
    return hashlib.sha256(b"mcphub key id" + key).hexdigest()[:8]
