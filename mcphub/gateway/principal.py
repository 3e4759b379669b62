"""Who is calling, and what they may reach. A frozen value, made by the authenticator, judged by `access`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of one request.

    Attributes:
        id: stable identity that sessions, states and handles are bound to: `key:<uuid>`, `user:<name>`, `anonymous`.
        username: the user acted as; None for system keys and anonymous callers.
        is_admin: sees every server and group.
        unrestricted: a system key: visibility does not apply, `access` alone decides.
        access: what a bearer key covers; `groups` (names or keys) and `servers` list it.
    """

    id: str
    username: str | None = None
    is_admin: bool = False
    unrestricted: bool = False
    access: Literal["all", "groups", "servers", "custom"] = "all"
    groups: frozenset[str] = frozenset()
    servers: frozenset[str] = frozenset()
    key_id: str | None = None
    key_name: str | None = None

    @property
    def viewer(self) -> str:
        """What two principals must share to see the same catalogue: `*`, a user name, or "" for anonymous."""
        if self.is_admin or self.unrestricted:
            return "*"
        return self.username or ""

    def is_meant_by(self, id: str) -> bool:
        """Whether a fact about this id concerns the principal: its own id, that of the user it acts as, or ""."""
        return id in ("", self.id) or (self.username is not None and id == f"user:{self.username}")


ANONYMOUS = Principal("anonymous")
