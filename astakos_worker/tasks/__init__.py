"""The Celery tasks: shells that unpack a message, call what does the work, and return."""
