"""Whether a component works: each is asked for what its users will ask of it."""

import socket

import requests
from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from astakos_worker.local.free_ports import LOOPBACK


def server_answers(port: int, address: str = LOOPBACK) -> bool:
    """Say whether a Redis-compatible server has loaded its data and answers."""
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            # While it loads its data it accepts connections and answers `-LOADING`.
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def http_answers(method: str, url: str) -> bool:
    """Say whether a request without a body succeeds."""
    try:
        return requests.request(method, url, timeout=2).ok
    except requests.RequestException:
        return False


def worker_answers(control: Celery, node: str) -> bool:
    """Say whether a worker answers by its node name, which it does once it consumes."""
    try:
        return bool(control.control.ping(destination=[node], timeout=0.5))
    except (OperationalError, RedisError, OSError):
        return False
