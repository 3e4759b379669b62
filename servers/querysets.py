"""Which servers and groups someone may see: the only way to fetch them for a person. Above: models' managers."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from django.db import connections, models

from mcphub.actor import Viewer

if TYPE_CHECKING:
    from servers.models import Group, Server  # noqa: F401 (named in strings)

M = TypeVar("M", bound=models.Model)


class _Lists(models.Func):
    """Whether a JSON list holds a text, for SQLite, which has no containment."""

    template = "EXISTS (SELECT 1 FROM json_each(%(expressions)s)"
    arg_joiner = ") WHERE value = "
    conditional = True

    def __init__(self, column: str, text: models.Value) -> None:
        super().__init__(column, text, output_field=models.BooleanField())


class SharedQuerySet(models.QuerySet[M]):
    """Rows with an owner, a visibility and a list of names they are shared with."""

    def visible_to(self, viewer: Viewer) -> SharedQuerySet[M]:
        """What the viewer may see: everything for admins, else own, public, and shared with that name."""
        if viewer.is_admin:
            return self
        name = viewer.username
        if not name:
            return self.filter(visibility="public")
        return self.filter(models.Q(owner=name) | models.Q(visibility="public") | self._shared_with(name))

    def managed_by(self, viewer: Viewer) -> SharedQuerySet[M]:
        """What the viewer may change: everything for admins, else own."""
        return self if viewer.is_admin else self.filter(owner=viewer.username or "\0")

    def _shared_with(self, name: str) -> models.Q:
        if connections[self.db].vendor == "postgresql":
            return models.Q(visibility="group", shared_with__contains=[name])
        return models.Q(_Lists("shared_with", models.Value(name)), visibility="group")


class ServerQuerySet(SharedQuerySet["Server"]):
    """Servers."""


class GroupQuerySet(SharedQuerySet["Group"]):
    """Groups."""
