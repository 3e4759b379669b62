"""The full-text table, in the words of each database: models cannot describe it."""

from django.db import migrations

from registry.search import postgres, sqlite


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for statement in postgres.CREATE:
            schema_editor.execute(statement)
    else:
        schema_editor.execute(sqlite.CREATE)


def drop(apps, schema_editor):
    schema_editor.execute("DROP TABLE registry_words")


class Migration(migrations.Migration):
    dependencies = [("registry", "0001_initial")]
    operations = [migrations.RunPython(create, drop)]
