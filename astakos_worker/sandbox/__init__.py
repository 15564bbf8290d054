"""A stand-in Astakos over HTTP: the same arithmetic, the same answers, and faults on request.

Runs in a process of its own, or in a thread of a test. Must never import another folder of
`astakos_worker`: it knows nothing of workers, ledgers and services.
"""
