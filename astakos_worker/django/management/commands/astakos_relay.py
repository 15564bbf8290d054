"""`manage.py astakos_relay`: sends the rows of the outbox to the ledger."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import DEFAULT_DB_ALIAS

from astakos_worker.configuration.settings import Settings
from astakos_worker.service.outbox.of_django import outbox_of_django
from astakos_worker.service.outbox.relay import Progress, Relay, stopped_by_signals


class Command(BaseCommand):
    """Send the rows of the outbox to the ledger, until Ctrl-C. Many may run."""

    help = __doc__ or ""
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the options."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="Of Django's databases.")
        parser.add_argument("--service", action="append", default=[], help="Only of this one.")
        parser.add_argument("--once", action="store_true", help="Send what is there, and end.")
        parser.add_argument("--json", action="store_true", help="One JSON object a line.")

    def handle(self, **options: Any) -> None:
        """Send; with --once, exit status 1 if rows are left, or if rows can never be sent."""

        def report(progress: Progress) -> None:
            if options["json"]:
                self.stdout.write(json.dumps(asdict(progress)))
            elif options["verbosity"] > 1 or progress.away or progress.failed:
                self.stdout.write(str(progress))

        relay = Relay(
            outbox_of_django(options["database"]),
            Settings(),
            services=options["service"],
            report=report,
        )
        with stopped_by_signals() as stop:
            if options["once"]:
                relay.run_once(stop)
            else:
                relay.run(stop)
        one = relay.progress
        self.stdout.write(f"{one.sent} sent, {one.waiting} waiting, {one.failed} failed")
        if options["once"] and (one.waiting or one.failed or one.away):
            sys.exit(1)
