"""A worker's channels to the broker. A malformed message does not end them (F51).

Celery's consumer survives most messages that it cannot read (`consuming.py`). But kombu builds the
message first, and its errors end the worker: for text that is not JSON, for `null`, for a message
without a delivery tag. The message would then end the next worker too. So each message is read here
first. If kombu could not build the message, it is noted and thrown away.
"""

import json
from typing import TYPE_CHECKING, Any, ClassVar

from celery import current_app
from celery.app.amqp import AMQP
from kombu.transport import redis as kombus
from kombu.transport.virtual import Message

from astakos_worker.configuration import broker

if TYPE_CHECKING:
    _Channel = kombus.Channel
else:
    _Channel = object

#: The errors of reading a message whose parts have the wrong types.
UNREADABLE = (TypeError, ValueError, LookupError, AttributeError, RecursionError)


def _note(reason: str, queue: object) -> None:
    app: Any = current_app  # a worker's, which has the list
    app.dead_messages().add(reason, queue=queue)


def _check(channel: Any, raw: Any) -> None:
    """Raise one of `UNREADABLE` if kombu could not build a message from `raw`, or deliver it."""
    message = Message(raw, channel=channel)
    delivery = message.delivery_info
    words = (message.delivery_tag, delivery["exchange"], delivery["routing_key"])
    if not all(isinstance(word, str) for word in words):
        raise TypeError("delivery tag, exchange and routing key must be strings")


class QoS(kombus.QoS):
    """The messages that were delivered and not acknowledged; a malformed one is thrown away."""

    def restore_by_tag(self, tag: Any, client: Any = None, leftmost: bool = False) -> None:
        """Give a message back to its queue."""
        try:
            super().restore_by_tag(tag, client, leftmost)
        except UNREADABLE as error:
            _note(f"was delivered and cannot be given back ({type(error).__name__})", "")
            self._remove_from_indices(tag).execute()  # type: ignore[attr-defined]  # kombu's


class _Careful(_Channel):
    """Mixed into channels: reads each message before kombu does."""

    QoS = QoS

    def _get_client(self) -> Any:
        kind = super()._get_client()  # type: ignore[misc]  # kombu's types know few of its methods
        return _reads_first(self, kind) if isinstance(kind, type) else kind

    def _deliver_fanout_message(self, message: Any, exchange: str) -> Any:
        """Deliver a control message."""
        try:
            _check(self, message)
        except UNREADABLE as error:
            _note(f"is no control message ({type(error).__name__})", exchange)
            return True
        return super()._deliver_fanout_message(message, exchange)  # type: ignore[misc]

    def _connparams(self, asynchronous: bool = False) -> dict[str, Any]:
        """Return how to connect; `ConnectionResetError` if the connection is gone (F53).

        A task that ends while the broker is away is acknowledged over such a channel, and closing
        a channel gives its messages back. kombu would raise an `AttributeError`, which ends the
        worker. An error of the connection is survived in both places.
        """
        connection: Any = self.connection
        if connection is None or connection.client is None:
            raise ConnectionResetError("the connection to the broker is gone")
        parameters: dict[str, Any] = super()._connparams(asynchronous)  # type: ignore[misc]
        return parameters


def _reads_first(channel: Any, kind: type) -> type:
    """Return a class of clients whose answer to `BRPOP` is a message, or nothing."""

    class Client(kind):  # type: ignore[misc]
        def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
            response = super().parse_response(connection, command_name, **options)
            if command_name != "BRPOP" or not response:
                return response
            queue, item = response
            try:
                _check(channel, json.loads(item))
            except UNREADABLE as error:
                _note(f"is no message ({type(error).__name__})", queue.decode(errors="replace"))
                return None  # as if the wait had ended without a message
            return response

    return Client


class CheckedChannel(_Careful, broker.BrokerChannel):
    """A channel to one server."""


class CheckedSentinelChannel(_Careful, broker.BrokerSentinelChannel):
    """A channel to the master that Sentinels name."""


class CheckedTransport(broker.BrokerTransport):
    """The transport to one server."""

    Channel = CheckedChannel


class CheckedSentinelTransport(broker.BrokerSentinelTransport):
    """The transport to the master that Sentinels name."""

    Channel = CheckedSentinelChannel


class WorkerConnection(broker.BrokerConnection):
    """A worker's connection to the broker."""

    transports: ClassVar[dict[str, Any]] = {
        "redis": CheckedTransport,
        "rediss": CheckedTransport,
        "sentinel": CheckedSentinelTransport,
    }


class WorkerAMQP(AMQP):
    """Celery's, with a worker's connections to the broker."""

    Connection = BrokerConnection = WorkerConnection
