"""Seals: what the gateway hands to a client and wants back unchanged, encrypted and authenticated with a key ring.

The first key of the ring seals, every key opens, so a key is rotated by putting a new one in front. Tokens are
`v1.<base64url without padding>`; decoding is canonical, since a lenient base64 decoder would accept a token with
something appended. Above: `session`, `methods.rounds`. Below: `cryptography`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_VERSION = "v1."
_ALPHABET = re.compile(r"[A-Za-z0-9_-]+")
_NONCE = 12
_MAC = 16


def encode(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """Inverse of `encode`; None for every spelling that `encode` would not have written."""
    if not _ALPHABET.fullmatch(text):
        return None
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return None
    return raw if encode(raw) == text else None


def _derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"mcphub/" + purpose, hashlib.sha256).digest()


class Sealer:
    """Encrypts and opens short byte strings for one purpose. A token sealed for another purpose does not open."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        if not keys:
            raise ValueError("a sealer needs at least one key")
        self._ciphers = [AESGCM(_derive(key, purpose.encode())) for key in keys]

    def seal(self, content: bytes) -> str:
        """An opaque token in visible ASCII."""
        nonce = os.urandom(_NONCE)
        return _VERSION + encode(nonce + self._ciphers[0].encrypt(nonce, content, None))

    def open(self, token: str) -> bytes | None:
        """What was sealed, or None for anything else."""
        raw = decode(token[len(_VERSION) :]) if token.startswith(_VERSION) else None
        if raw is None or len(raw) <= _NONCE:
            return None
        for cipher in self._ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE], raw[_NONCE:], None)
            except InvalidTag:
                continue
        return None


class Signer:
    """Signs readable byte strings for one purpose: nothing secret in them, but nobody else could have written them."""

    def __init__(self, keys: Sequence[bytes], purpose: str) -> None:
        if not keys:
            raise ValueError("a signer needs at least one key")
        self._keys = [_derive(key, purpose.encode()) for key in keys]

    def sign(self, content: bytes) -> str:
        """The content and its signature in visible ASCII."""
        return encode(self._mac(self._keys[0], content) + content)

    def verify(self, token: str) -> bytes | None:
        """What was signed, or None for anything else."""
        raw = decode(token)
        if raw is None or len(raw) <= _MAC:
            return None
        content = raw[_MAC:]
        if any(hmac.compare_digest(self._mac(key, content), raw[:_MAC]) for key in self._keys):
            return content
        return None

    @staticmethod
    def _mac(key: bytes, content: bytes) -> bytes:
        return hmac.new(key, content, hashlib.sha256).digest()[:_MAC]
