"""Celery's own settings, each with its reason: the file that an operator of Celery edits.

This file is executed with `settings`, the project's own `Settings`, read from the environment.
Addresses and times are set there (`ASTAKOS_BROKER_URL`, ...) and not here, because they are
checked against each other. `ASTAKOS_CELERYCONFIG=/path/to/celeryconfig.py` names another file.
"""

from kombu import Exchange, Queue

from astakos_worker.configuration import names
from astakos_worker.configuration.servers import for_celery
from astakos_worker.configuration.settings import Settings

settings: Settings = globals().get("settings") or Settings()

# Celery takes the options of TLS and Sentinels apart from the URL.
broker_url, broker_use_ssl, _broker = for_celery(settings.broker_url)
result_backend, redis_backend_use_ssl, _results = for_celery(
    settings.result_backend or settings.broker_url
)

# --- Delivery -------------------------------------------------------------------------------

# A message is acknowledged when its task has ended: another worker gets it if this one dies.
task_acks_late = True
task_reject_on_worker_lost = True
# A prefetched message waits for its worker while others are idle; more of them gain nothing.
worker_prefetch_multiplier = 1

# Another Celery application may use the same database of the broker. kombu keeps the messages that
# were delivered and not acknowledged under names that all applications share by default, and
# restores all of them after its own time-out. Control messages and events have shared names too.
control_exchange = names.control_exchange(settings.namespace)
event_exchange = f"{control_exchange}.events"

broker_transport_options = {
    **_broker,
    "unacked_key": names.unacked_key(settings.namespace),
    "unacked_index_key": f"{names.unacked_key(settings.namespace)}-index",
    "unacked_mutex_key": f"{names.unacked_key(settings.namespace)}-mutex",
    # Longer than the longest task and its wait as a prefetched message, or the task runs twice.
    "visibility_timeout": settings.visibility_timeout,
    # By default the messages of a crashed worker come back after the time-out plus up to 100 s.
    "unacked_restore_interval": 2,
    "unacked_restore_throttle": 1,
    # kombu's default is 10. A worker has more threads, and acknowledgements would get lost.
    "max_connections": 64,
    # So that half-open connections are noticed.
    "socket_connect_timeout": 2,
    "socket_timeout": 30,
    "socket_keepalive": True,
    "health_check_interval": 10,
}

# A message that Celery's own consumer cannot read may end the worker, is delivered again, and ends
# the next worker. This consumer notes such a message and throws it away (F51).
worker_consumer = "astakos_worker.worker.consuming:Consumer"

# A worker never gives up on its broker.
broker_connection_retry_on_startup = True
broker_connection_max_retries = None

# --- Pool -----------------------------------------------------------------------------------

# Tasks wait for Astakos and for the ledger, so threads suffice: run one process a core, each with
# threads. Celery ignores time limits on threads, so every request to Astakos has a total deadline
# (`ASTAKOS_REQUEST_DEADLINE`).
worker_pool = "threads"
worker_concurrency = 16
worker_hijack_root_logger = False
# When the connection to the broker is lost, tasks go on: each ends within `longest_task`.
worker_cancel_long_running_tasks_on_connection_loss = False

# Each worker also reads a queue of its own. `astakos-worker health` sends a message through it and
# so learns whether the worker takes messages; an answered ping does not prove that.
worker_direct = True

# --- Results and events ---------------------------------------------------------------------

# The ledger knows what became of a commission. Results are for Flower and for look-ups.
result_extended = True
result_expires = 86400
# `astakos_worker/worker/result_store.py` alone retries, for a few seconds. A thread that retries
# longer does no work meanwhile (F50).
result_backend_always_retry = False
result_backend_transport_options = {**_results, "retry_policy": {"max_retries": 0}}
redis_socket_connect_timeout = 2
redis_socket_timeout = 5
# One backend a process, not one a thread.
result_backend_thread_safe = True
# Flower follows workers by their events. The events `started` and `sent` would cost a fifth of the
# throughput, and a third of a millisecond for each call.
worker_send_task_events = True
task_track_started = False
task_send_sent_event = False

# --- Messages -------------------------------------------------------------------------------

# JSON only: reading it never runs code (F63).
task_serializer = "json"
result_serializer = "json"
accept_content = ["json"]
result_accept_content = ["json"]

task_default_queue = names.COMMISSIONS
# Each queue has its own exchange and routing key. With the defaults, all would get every message.
task_queues = [
    Queue(name, Exchange(name), routing_key=name)
    for name in (names.COMMISSIONS, names.LOOKUPS, names.SWEEP)
]
task_routes = {
    names.RECONCILE: {"queue": names.SWEEP},
    names.LOOKUP + "*": {"queue": names.LOOKUPS},
}

# --- Beat -----------------------------------------------------------------------------------

# One sweep for each named service. A sweep that did not start before the next one is dropped.
beat_schedule = {
    f"reconcile-{name}": {
        "task": names.RECONCILE,
        "schedule": settings.sweep,
        "kwargs": {"service": name},
        "options": {"expires": settings.sweep, "ignore_result": False},
    }
    for name in settings.services
}
# Beat need not remember the last runs: a sweep too many is harmless.
beat_schedule_filename = "/dev/null"
beat_scheduler = "celery.beat:Scheduler"

timezone = "UTC"
