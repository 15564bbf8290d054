"""The floor: raw kept-alive connections, accepts in batches of 50, and nothing else.

No ledger, no queue, no checks, no retries: what Astakos, the network and Python leave to be had.
"""

import http.client
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

BATCH = 50


class Floor:
    """So many connections at the same time."""

    name = "floor"
    workers = ()

    def __init__(self, astakos, connections: int = 16) -> None:
        url = urlsplit(astakos.auth_url)
        self.address = url.netloc
        self.path = url.path.replace("/identity/v2.0", "/account/v1.0/commissions")
        self.headers = {"X-Auth-Token": astakos.token, "Content-Type": "application/json"}
        self.connections = connections
        self.serials: list[int] = []
        self.lock = threading.Lock()
        self.mine = threading.local()

    def produce(self, jobs) -> None:
        with ThreadPoolExecutor(self.connections) as pool:
            list(pool.map(self.issue, jobs))
        self.accept(self.serials)
        self.serials = []

    def issue(self, job) -> None:
        serial = self.only_issue(job, job.name)
        with self.lock:
            self.serials.append(serial)
            batch = self.serials[:BATCH] if len(self.serials) >= BATCH else []
            del self.serials[: len(batch)]
        self.accept(batch)

    def only_issue(self, job, name: str) -> int:
        project = f"project:{job.project}"
        provisions = [
            {"holder": holder, "source": source, "resource": resource, "quantity": quantity}
            for resource, quantity in job.provisions.items()
            for holder, source in ((f"user:{job.user}", project), (project, None))
        ]
        body = {"name": name, "provisions": provisions, "force": False, "auto_accept": False}
        return self.post(self.path, body)["serial"]

    def accept(self, serials) -> None:
        if serials:
            self.post(f"{self.path}/action", {"accept": serials, "reject": []})

    def reject(self, serials) -> None:
        self.post(f"{self.path}/action", {"accept": [], "reject": serials})

    def post(self, path, body):
        if not hasattr(self.mine, "connection"):
            self.mine.connection = http.client.HTTPConnection(self.address, timeout=60)
        connection = self.mine.connection
        connection.request("POST", path, json.dumps(body).encode(), self.headers)
        reply = connection.getresponse()
        content = reply.read()
        if reply.status >= 300:
            raise http.client.HTTPException(f"{reply.status}: {content[:200]!r}")
        return json.loads(content)

    def finish(self) -> None:
        """Nothing is left over."""
