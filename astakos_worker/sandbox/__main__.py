"""`python -m astakos_worker.sandbox`: the same as `astakos-worker sandbox`."""

from astakos_worker.cli.sandbox import command

command(prog_name="python -m astakos_worker.sandbox")
