"""The Celery tasks. Each is a shell: it reads a message, calls the work, and returns the result.

Runs in workers. No rule about commissions stands here. May import what `worker` may import.
"""
