"""The outbox's table. Rows are written by `Commissions.in_transaction()`, and by nothing else."""

from django.db import models
from django.db.models.functions import Now

from astakos_worker.service.outbox.statements import TABLE


class OutboxRow(models.Model):
    """One call that is on its way to the ledger; with an error, one that can never be sent."""

    schema = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=16)
    service = models.CharField(max_length=32)
    key = models.CharField(max_length=200)
    holder = models.CharField(max_length=300)
    incarnation = models.CharField(max_length=8)
    arguments = models.TextField()
    created = models.DateTimeField(db_default=Now())
    error = models.TextField(null=True)  # noqa: DJ001  # the indexes tell NULL from a text

    class Meta:
        """The same table and indexes as `astakos-worker outbox ddl` prints."""

        db_table = TABLE
        verbose_name = "outbox row"
        ordering = ("id",)
        indexes = (
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
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"
