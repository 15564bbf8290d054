"""A worker finds out by itself that it takes no messages."""

from astakos_worker.worker.health.consuming import SelfCheck


class Broker:
    """Counts probes, and the tasks that a worker has accepted; a test moves its clock."""

    def __init__(self):
        self.now, self.accepted, self.sent, self.up = 100.0, 0, 0, True
        self.check = SelfCheck(
            self.send, lambda: self.accepted, every=2, monotonic=lambda: self.now
        )

    def send(self):
        self.sent += self.up
        return self.up

    def after(self, seconds):
        self.now += seconds
        return self.check.look()


def test_a_busy_worker_sends_itself_nothing():
    broker = Broker()
    for _ in range(20):
        broker.accepted += 1
        assert broker.after(3) == 0
    assert broker.sent == 0


def test_an_idle_worker_that_takes_its_own_messages_is_well():
    broker = Broker()
    for _ in range(20):
        assert broker.after(2) == 0
        broker.accepted = broker.sent
    assert broker.sent > 5


def test_one_that_does_not_take_its_message_says_for_how_long():
    broker = Broker()
    waits = [broker.after(2) for _ in range(6)]
    assert waits == [0, 0, 2, 4, 6, 8]
    assert broker.sent == 1
    broker.accepted += 1
    assert broker.after(2) == 0


def test_a_message_that_was_lost_with_the_brokers_data_is_sent_again_after_half_a_minute():
    broker = Broker()
    for _ in range(40):
        broker.after(2)
    assert broker.sent == 3


def test_a_broker_that_is_away_is_no_fault_of_the_worker():
    broker = Broker()
    broker.up = False
    assert [broker.after(2) for _ in range(6)] == [0] * 6
