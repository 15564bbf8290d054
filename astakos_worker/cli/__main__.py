"""`python -m astakos_worker.cli`: the same as `astakos-worker`."""

from astakos_worker.cli import main

main(prog_name="astakos-worker")
