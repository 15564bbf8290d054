"""Settings, names and addresses: what every process of ours reads first.

Runs everywhere: in services, workers, beat and commands. Opens nothing. Imports nothing of ours
but the client's errors.
"""
