"""Checks whether a component is ready, with a request that its users make too."""

import socket

import requests
from celery import Celery
from kombu.exceptions import OperationalError
from redis import RedisError

from astakos_worker.local.free_ports import LOOPBACK


def server_answers(port: int, address: str = LOOPBACK) -> bool:
    """Return whether a Redis-compatible server has loaded its data and answers."""
    try:
        with socket.create_connection((address, port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            # A server that still loads its data accepts connections and answers `-LOADING`.
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False


def http_answers(method: str, url: str) -> bool:
    """Return whether a request without a body succeeds."""
    try:
        return requests.request(method, url, timeout=2).ok
    except requests.RequestException:
        return False


def worker_answers(control: Celery, node: str) -> bool:
    """Return whether the worker of this node name answers, as it does once it consumes."""
    try:
        return bool(control.control.ping(destination=[node], timeout=0.5))
    except (OperationalError, RedisError, OSError):
        return False
