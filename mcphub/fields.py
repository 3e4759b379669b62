"""EncryptedJSONField: a JSON value that lies encrypted in its column and is plain in Python.

It cannot be searched in the database: it is for what the database should not be able to read. Above: the apps' models.
Below: `vault`.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models, transaction
from django.db.models.functions import Cast

from mcphub.vault import Vault, keys_of

if TYPE_CHECKING:
    TextField = models.TextField[Any, Any]
else:
    TextField = models.TextField  # Django's fields take type parameters in their stubs only


@functools.cache
def vault() -> Vault:
    """The process's vault, made at first use from the settings."""
    return Vault(keys_of(settings.MCPHUB_ENCRYPTION_KEYS, settings.MCPHUB_KEY_FILE))


class EncryptedJSONField(TextField):
    """See the module."""

    @property
    def purpose(self) -> str:
        """What sealed values of this column are bound to."""
        return f"{self.model._meta.label_lower}.{self.name}"

    def get_prep_value(self, value: Any) -> Any:
        if value is None:
            return None
        return vault().seal(json.dumps(value, ensure_ascii=False, separators=(",", ":")), self.purpose)

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        if value is None:
            return None
        if not vault().knows(value):
            vault.cache_clear()  # the key file may have been given a new key since it was read
        return json.loads(vault().open(value, self.purpose))

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return json.dumps(self.value_from_object(obj))

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be searched.")
        return super().get_lookup(lookup_name)


def reseal() -> int:
    """Seal every stored value that an older key sealed again with the first one; returns how many."""
    count = 0
    for model in apps.get_models():
        for field in model._meta.local_fields:
            if isinstance(field, EncryptedJSONField):
                count += _reseal_column(model, field.name)
    return count


def _reseal_column(model: type[models.Model], name: str) -> int:
    rows = model._default_manager.annotate(sealed=Cast(name, models.TextField()))
    old = [pk for pk, sealed in rows.values_list("pk", "sealed") if sealed and not vault().is_current(sealed)]
    for pk in old:
        with transaction.atomic():  # one row at a time: a rotation must not stop the hub
            row = model._default_manager.select_for_update().filter(pk=pk).first()
            if row is not None:
                row.save(update_fields=[name])
    return len(old)
