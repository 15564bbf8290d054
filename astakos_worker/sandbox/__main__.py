"""`python -m astakos_worker.sandbox`: the same as `astakos-worker sandbox`."""

from astakos_worker.sandbox.command import command

command(prog_name="python -m astakos_worker.sandbox")
