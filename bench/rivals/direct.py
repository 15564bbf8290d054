"""Direct: the client called in the request handler, an issue and an accept, and no queue at all."""

from concurrent.futures import ThreadPoolExecutor

from astakosclient import AstakosClient


class Direct:
    """So many request handlers at the same time, each waiting for Astakos itself."""

    name = "direct"
    workers = ()

    def __init__(self, astakos, handlers: int = 16) -> None:
        self.client = AstakosClient(
            astakos.token, astakos.auth_url, use_pool=True, pool_size=handlers
        )
        self.handlers = handlers

    def produce(self, jobs) -> None:
        with ThreadPoolExecutor(self.handlers) as pool:
            list(pool.map(self.handle, jobs))

    def handle(self, job) -> None:
        self.client.accept_commission(self.issue(job))

    def issue(self, job) -> int:
        return self.client.issue_one_commission(job.user, job.project, job.provisions, job.name)

    def finish(self) -> None:
        """Nothing is left over."""
