"""A stand-in Astakos over HTTP: the same arithmetic, the same answers, and faults on request."""
