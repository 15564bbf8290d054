"""How a service uses those that have workers: plain Celery, the same batched by hand, and ours."""

from concurrent.futures import ThreadPoolExecutor

from astakos_worker import Commissions

#: Threads of the service that call at the same time.
PRODUCERS = 4
BULK = 500


class Plain:
    """Each accept is sent by the worker that has the serial: the cheapest way there is."""

    name = "plain"

    def __init__(self, workers, queue: str = "plain", producers: int = PRODUCERS) -> None:
        from bench.rivals import plain  # noqa: PLC0415 - it reads where the broker is

        self.tasks = plain
        self.queue = queue
        self.workers = workers
        self.producers = producers

    def produce(self, jobs) -> None:
        with ThreadPoolExecutor(self.producers) as pool:
            list(pool.map(self.enqueue, jobs))

    def enqueue(self, job) -> None:
        link = self.tasks.accept.s().set(queue=self.queue)
        self.tasks.issue.apply_async(job.arguments, link=link, queue=self.queue)

    def finish(self) -> None:
        """Nothing is left over."""


class Batched(Plain):
    """The serials are collected, and accepted in tasks of 50."""

    name = "batched"

    def enqueue(self, job) -> None:
        self.tasks.issue_and_collect.delay(*job.arguments)

    def finish(self) -> None:
        """Send the last ones; the author's beat would."""
        self.tasks.accept_collected()


class Ours:
    """Single calls: one for the issue, one for the accept, as a service makes them."""

    name = "ours"

    def __init__(self, workers, producers: int = PRODUCERS) -> None:
        self.commissions = Commissions(settings=workers.settings)
        self.settings = workers.settings
        self.workers = workers
        self.producers = producers

    def produce(self, jobs) -> None:
        with ThreadPoolExecutor(self.producers) as pool:
            list(pool.map(self.issue, jobs))
            list(pool.map(self.accept, jobs))

    def issue(self, job):
        return self.commissions.issue(**wanted(job))

    def accept(self, job):
        return self.commissions.accept(job.key)

    def finish(self) -> None:
        """Nothing is left over."""


class Bulk(Ours):
    """The same in bulk: `issue_many` and `resolve`, some hundreds a call."""

    name = "ours, bulk"

    def produce(self, jobs) -> None:
        some = [jobs[start : start + BULK] for start in range(0, len(jobs), BULK)]
        for part in some:
            for commission in self.commissions.issue_many([wanted(job) for job in part]):
                if isinstance(commission, Exception):
                    raise commission
        for part in some:
            self.commissions.resolve(accept=[job.key for job in part])


def wanted(job) -> dict:
    """What is said of a commission."""
    return {
        "user": job.user,
        "project": job.project,
        "provisions": job.provisions,
        "key": job.key,
        "name": job.name,
    }
