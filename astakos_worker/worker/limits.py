"""The engine's numbers, as the settings give them."""

from astakos_worker.configuration.settings import Settings
from astakos_worker.engine.ports import Limits


def limits_of(settings: Settings) -> Limits:
    """Return the limits, times and policies that the engine uses."""
    return Limits(
        namespace=settings.namespace,
        quiet_horizon=settings.quiet_horizon,
        carry_records=settings.carry_records,
        carry_seconds=settings.carry_seconds,
        run=settings.run,
        lease=settings.lease,
        settle_batch=settings.settle_batch,
        settle_wait=settings.settle_wait,
        backoff_first=settings.backoff_first,
        backoff_cap=settings.backoff_cap,
        refusal_window=settings.refusal_window,
        grace=settings.grace,
        quarantine=settings.quarantine,
        brake_share=settings.brake_share,
        brake_floor=settings.brake_floor,
        sweep_lease=max(settings.lease, settings.sweep),
        owner_batch=settings.owner_batch,
        foreign=settings.foreign,
        orphans=settings.orphans,
        undecided=settings.undecided,
    )
