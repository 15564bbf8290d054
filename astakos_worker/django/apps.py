"""The application's configuration."""

from django.apps import AppConfig


class OutboxConfig(AppConfig):
    """The outbox of `astakos_worker`."""

    name = "astakos_worker.django"
    label = "astakos_outbox"
    verbose_name = "Astakos outbox"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from astakos_worker.django import checks  # noqa: F401, PLC0415  # Django wants it so
