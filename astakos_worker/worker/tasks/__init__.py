"""The Celery tasks. Each is a shell: it reads a message, calls the work, and answers.

Runs in workers. No rule about commissions stands here. Imports what `worker` may import.
"""
