"""The services that a command is about. A misspelt name is an error, not a service at rest."""

from collections.abc import Sequence

import click

from astakos_worker.configuration.settings import Settings
from astakos_worker.ledger.contract import Ledger


def known_services(settings: Settings, ledger: Ledger, services: Sequence[str]) -> Sequence[str]:
    """Return the services. Raises a usage error for one that neither knows.

    A service is known if the ledger has a lane for it, or if the environment names it.
    """
    if unheard := set(services) - {*settings.services, settings.service}:
        there = ledger.lanes()
        if wrong := sorted(unheard - set(there)):
            known = ", ".join(there) or "none"
            raise click.UsageError(
                f"the ledger knows no service {', '.join(wrong)} (there are: {known})"
            )
    return services
