"""Makes the outbox's table."""

from typing import ClassVar

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    """The table and its indexes; `astakos-worker outbox ddl` prints the same."""

    initial = True
    dependencies: ClassVar[list[tuple[str, str]]] = []
    operations: ClassVar = [
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("schema", models.PositiveSmallIntegerField()),
                ("kind", models.CharField(max_length=16)),
                ("service", models.CharField(max_length=32)),
                ("key", models.CharField(max_length=200)),
                ("holder", models.CharField(max_length=300)),
                ("incarnation", models.CharField(max_length=8)),
                ("arguments", models.TextField()),
                ("created", models.DateTimeField(db_default=Now())),
                ("error", models.TextField(null=True)),  # as in the model
            ],
            options={
                "verbose_name": "outbox row",
                "db_table": "astakos_outbox",
                "ordering": ("id",),
                "indexes": [
                    models.Index(
                        fields=["service", "holder", "id"],
                        name="astakos_outbox_waiting",
                        condition=models.Q(error__isnull=True),
                    ),
                    models.Index(fields=["service", "key", "id"], name="astakos_outbox_keys"),
                    models.Index(
                        fields=["service", "key", "id"],
                        name="astakos_outbox_failed",
                        condition=models.Q(error__isnull=False),
                    ),
                ],
            },
        ),
    ]
