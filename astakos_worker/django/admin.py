"""The outbox in the admin: to look at, not to change."""

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from astakos_worker.django.models import OutboxRow


@admin.register(OutboxRow)
class OutboxRowAdmin(admin.ModelAdmin):
    """Rows that wait, and rows that can never be sent (`astakos-worker outbox retry`, `drop`)."""

    list_display = ("id", "created", "service", "kind", "key", "holder", "why")
    list_filter = ("service", "kind", ("error", admin.EmptyFieldListFilter))
    search_fields = ("key", "holder")

    @admin.display(description="error")
    def why(self, row: OutboxRow) -> str:
        """Return why a row can never be sent."""
        return str(json.loads(row.error)["message"]) if row.error else "-"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: rows are written by calls alone."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: `astakos-worker outbox drop` deletes what has failed."""
        del request, obj
        return False
