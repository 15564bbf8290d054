"""A local process behind the face of a Docker container, as far as pytest-celery looks.

pytest-celery's nodes wrap `docker.models.containers.Container`; this is that object over a
process of ours, so that its own classes run without Docker. Ports are not published anywhere:
a process listens on loopback, and there is nothing to translate.
"""

import signal
import uuid

from astakos_worker.local.process import Process, end

#: Seconds that a process has to end when it is asked to.
GRACE = 10


class LocalContainer:
    """What `pytest_docker_tools.wrappers.Container` wraps."""

    def __init__(self, process: Process, identity: str | None = None) -> None:
        self.process = process
        self.id = identity or uuid.uuid4().hex

    @property
    def name(self) -> str:
        return self.process.name

    @property
    def status(self) -> str:
        return "running" if self.process.alive else "exited"

    @property
    def attrs(self) -> dict:
        return {
            "Config": {
                "Hostname": self.id[:12],
                "Env": [f"{name}={value}" for name, value in self.process.environment.items()],
            },
            "HostConfig": {"PortBindings": {}},
            "NetworkSettings": {"Networks": {}, "Ports": {}},
        }

    def reload(self) -> None:
        """Docker's objects are snapshots; a process is always looked at afresh."""

    def logs(self) -> bytes:
        return self.process.log.read_bytes()

    def start(self) -> None:
        self.process.start()

    def kill(self, signal_: str | int | None = None) -> None:
        """As Docker: by name or number, SIGKILL if nothing is said, and to all of it."""
        number = signal.Signals[signal_] if isinstance(signal_, str) else signal_ or signal.SIGKILL
        if number == signal.SIGKILL:
            self.process.kill()
        else:
            self.process.signal(number)

    def stop(self, timeout: float = GRACE) -> None:
        end([self.process], timeout)

    def restart(self, timeout: float = GRACE) -> None:
        self.stop(timeout)
        self.start()

    def pause(self) -> None:
        self.process.pause()

    def unpause(self) -> None:
        self.process.resume()
