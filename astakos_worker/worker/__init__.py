"""What a worker process holds, and how it takes messages, measures itself and is kept alive.

Runs in workers (`celery -A astakos_worker.app worker`). May import `service`, since tasks by name
make the same calls. No service imports this folder.
"""
