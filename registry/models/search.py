"""SearchRow: the few columns of an entry that searches filter by, apart from the entry so that scans stay small."""

from __future__ import annotations

from django.db import models

from registry.models.entries import Entry


class SearchRow(models.Model):
    """One entry in the index. Its words lie in `registry_words`, a table of the database's full-text engine.

    Attributes:
        status: the admins' status, or deprecated or deleted where the source says so.
        transports, tags: between bars, such as `|stdio|sse|`.
        weight: how much better than others it is at equal words, in tenths.
    """

    entry = models.OneToOneField(Entry, primary_key=True, on_delete=models.CASCADE, related_name="search_row")
    name = models.CharField(max_length=100)
    source = models.CharField(max_length=50)
    status = models.CharField(max_length=10)
    category = models.CharField(max_length=20)
    transports = models.CharField(max_length=60)
    tags = models.TextField()
    weight = models.PositiveSmallIntegerField(default=10)

    class Meta:
        indexes = [models.Index(fields=["name", "status"], name="registry_search_name")]

    def __str__(self) -> str:
        return self.name
