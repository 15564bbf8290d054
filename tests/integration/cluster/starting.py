"""Starts the workers of a cluster: of one test's own, or of one that a module's tests share."""

import os
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

from celery import Celery

from astakos_worker.local import commands
from astakos_worker.local.process import Process
from astakos_worker.local.readiness import worker_answers
from tests.integration.cluster.container import LocalContainer
from tests.integration.cluster.nodes import Worker, WorkerContainer


def start_workers(
    queues: Iterable[str],
    *,
    application: str,
    environment: Mapping[str, str],
    app: Celery,
    directory: Path,
    processes: list[Process],
) -> list[Worker]:
    """Start one worker for each queue; not ready yet. `processes` takes them too."""
    nodes = []
    for number, queue in enumerate(queues, start=1):
        name, identity = f"{queue.rpartition('.')[2]}-{number}", uuid.uuid4().hex
        node = f"{name}@{identity[:12]}"
        words = commands.worker(queue, name)
        words[words.index(commands.APPLICATION)] = application
        words[words.index(f"{name}@%h")] = node
        log = directory / f"{name}.log"
        log.touch()
        process = Process(
            name,
            words,
            log,
            environment={**os.environ, **environment},
            ready=lambda node=node: worker_answers(app, node),
        )
        processes.append(process)
        process.start()
        container = WorkerContainer(LocalContainer(process, identity), name, queue)
        nodes.append(Worker(container, app))
    return nodes
