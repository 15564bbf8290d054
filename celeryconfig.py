"""What an operator of Celery edits, each value with its why.

`settings` is the project's own `Settings`, already read from the environment; this file is
executed with it. Addresses and times are set there (`ASTAKOS_BROKER_URL`, ...), so that the
inequalities between them are checked in one place. Use another file with
`ASTAKOS_CELERYCONFIG=/path/to/celeryconfig.py`.
"""

from kombu import Exchange, Queue

from astakos_worker.configuration import names
from astakos_worker.configuration.servers import for_celery
from astakos_worker.configuration.settings import Settings

settings: Settings = globals().get("settings") or Settings()

# Where Sentinels know the server, Celery is told the master's name apart from the address.
broker_url, _broker = for_celery(settings.broker_url)
result_backend, _results = for_celery(settings.result_backend or settings.broker_url)

# --- Delivery -------------------------------------------------------------------------------

# A message is acknowledged when its work is done: a worker that dies gives it back.
task_acks_late = True
task_reject_on_worker_lost = True
# A message prefetched by a busy worker waits for it while others idle; more gains nothing.
worker_prefetch_multiplier = 1

broker_transport_options = {
    **_broker,
    # Longer than the longest task and its wait in the prefetch together, or it runs twice.
    "visibility_timeout": settings.visibility_timeout,
    # By default a crashed worker's messages come back after the time-out plus up to 100 s.
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    # kombu's default of 10 is less than a worker's threads, and acknowledgements get lost.
    "max_connections": 64,
    # Half-open sockets are noticed.
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

# A message that Celery's own consumer stumbles over ends the worker, comes back, and ends the
# next one; this one throws it away (F51).
worker_consumer = "astakos_worker.worker.consuming:Consumer"

# A worker never gives up on its broker.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# --- Pool -----------------------------------------------------------------------------------

# Tasks wait for Astakos and for the ledger. One process a core, each with threads; processes
# gain where threads do not. Time limits are ignored on threads, so every request has a total
# deadline of its own (`ASTAKOS_REQUEST_DEADLINE`).
worker_pool = "threads"
worker_concurrency = 16
worker_hijack_root_logger = False
# Between SIGTERM and the broker's patience: carriers end within a request's deadline.
worker_cancel_long_running_tasks_on_connection_loss = False

# A queue of its own for every worker, read together with its work: `astakos-worker health` asks
# through it whether a worker consumes, which one that merely answers pings does not prove.
worker_direct = True

# --- Results and events ---------------------------------------------------------------------

# The ledger knows what became of a commission; results are for Flower and for lookups.
result_extended = True
result_expires = 86400
# Whether to try again is decided in one place (`astakos_worker/worker/result_store.py`), and
# for seconds: a thread that keeps trying carries nothing meanwhile (F50).
result_backend_always_retry = False
result_backend_transport_options = {**_results, "retry_policy": {"max_retries": 0}}
redis_socket_connect_timeout = 2
redis_socket_timeout = 5
# One backend a process, not one a thread.
result_backend_thread_safe = True
# Flower follows workers by their events; `started` and `sent` cost a fifth of the throughput
# and a third of a millisecond an enqueue.
worker_send_task_events = True
task_track_started = False
task_send_sent_event = False

# --- Messages -------------------------------------------------------------------------------

# Nothing that runs code when it is read (F63).
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

task_default_queue = names.COMMISSIONS
# Each has an exchange and a key of its own: with the default ones all would get every message.
task_queues = [
    Queue(name, Exchange(name), routing_key=name)
    for name in (names.COMMISSIONS, names.LOOKUPS, names.SWEEP)
]
task_routes = {
    names.RECONCILE: {"queue": names.SWEEP},
    names.LOOKUP + "*": {"queue": names.LOOKUPS},
}

# --- Beat -----------------------------------------------------------------------------------

# One sweep a named service. A sweep that could not start before the next one is dropped.
beat_schedule = {
    f"reconcile-{name}": {
        "task": names.RECONCILE,
        "schedule": settings.sweep,
        "kwargs": {"service": name},
        "options": {"expires": settings.sweep, "ignore_result": False},
    }
    for name in settings.services
}
# Its memory of the last runs is of no use: a sweep too many is harmless.
beat_schedule_filename = "/dev/null"
beat_scheduler = "celery.beat:Scheduler"

timezone = "UTC"
