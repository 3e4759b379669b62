"""Roll-ups at levels of detail, with a column per bucket of the histogram. Nothing was written to the old table."""

from django.db import migrations, models

_SPANS = [(60, "Minute"), (3600, "Hour"), (86400, "Day"), (2592000, "Month")]
_LEVELS = [
    (0, "Everything"),
    (1, "By server"),
    (2, "By server and item"),
    (3, "By user"),
    (4, "By user and key"),
    (5, "By user and group"),
    (6, "By everything"),
]


class Migration(migrations.Migration):
    dependencies = [("activities", "0001_initial")]

    operations = [
        migrations.DeleteModel(name="CallRollup"),
        migrations.CreateModel(
            name="CallRollup",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("span", models.PositiveIntegerField(choices=_SPANS)),
                ("level", models.PositiveSmallIntegerField(choices=_LEVELS)),
                ("start", models.BigIntegerField()),
                ("server", models.CharField(blank=True, default="", max_length=255)),
                ("item", models.CharField(blank=True, default="", max_length=512)),
                ("group", models.CharField(blank=True, default="", max_length=255)),
                ("username", models.CharField(blank=True, default="", max_length=150)),
                ("key_id", models.CharField(blank=True, default="", max_length=36)),
                ("key_name", models.CharField(blank=True, default="", max_length=200)),
                ("calls", models.PositiveBigIntegerField(default=0)),
                ("errors", models.PositiveBigIntegerField(default=0)),
                ("cancelled", models.PositiveBigIntegerField(default=0)),
                ("duration", models.FloatField(default=0.0)),
                ("failed_duration", models.FloatField(default=0.0)),
                ("slowest", models.FloatField(default=0.0)),
                ("request_bytes", models.PositiveBigIntegerField(default=0)),
                ("response_bytes", models.PositiveBigIntegerField(default=0)),
                *((f"bin_{number}", models.PositiveIntegerField(default=0)) for number in range(24)),
            ],
        ),
        migrations.AddConstraint(
            model_name="callrollup",
            constraint=models.UniqueConstraint(
                fields=("span", "level", "username", "start", "key_id", "server", "item", "group"), name="rollup_once"
            ),
        ),
        migrations.RemoveIndex(model_name="callrecord", name="calls_failed_time"),
        migrations.AddIndex(
            model_name="callrecord",
            index=models.Index(
                condition=models.Q(("status", "ok"), _negated=True), fields=["started"], name="calls_failed"
            ),
        ),
        migrations.AddIndex(
            model_name="callrecord", index=models.Index(fields=["item", "started"], name="calls_item_time")
        ),
    ]
