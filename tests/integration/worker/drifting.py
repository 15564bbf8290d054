"""Services whose usage drifts: one whose figures a test says, and one that is at work."""

import json
import random
import threading
import uuid

from click.testing import CliRunner

from astakos_worker import Commissions, Settings
from astakos_worker.cli import main
from astakos_worker.sandbox.control_client import ControlClient
from astakosclient import AstakosClient
from tests.integration.cluster.until import until
from tests.integration.worker import counting

VM = "cyclades.vm"
COUNTING = f"{counting.__name__}.usage"


class Drifting:
    """A user of a service whose figures are the test's to say."""

    def __init__(self, stack):
        self.control = ControlClient(stack.sandbox_url)
        self.commissions = Commissions(settings=Settings())
        self.client = AstakosClient(stack.token_file.read_text().strip(), stack.auth_url)
        number = len(self.control.world()["users"])
        self.user = self.control.add_user(f"drift{number}@example.org")["uuid"]

    def counts(self, *answers):
        """What the service counts of the user, call by call; a function is called then."""
        counting.ANSWERS[:] = [self._said(answer) for answer in answers]

    def _said(self, answer):
        if callable(answer):
            return lambda: self.rows(answer())
        return self.rows(answer)

    def rows(self, quantity):
        return [] if quantity is None else [(self.user, self.user, VM, quantity)]

    def issue(self, quantity):
        return self.client.issue_one_commission(self.user, self.user, {VM: quantity})

    def use(self, quantity):
        """Use so much for good, behind the service's back."""
        self.client.accept_commission(self.issue(quantity))

    def limit(self, limit):
        """What the user may have, and its project too."""
        self.control.set_limit(f"user:{self.user}", f"project:{self.user}", VM, limit)
        self.control.set_limit(f"project:{self.user}", None, VM, limit)

    def used(self):
        """(usage_min, usage_max) of the user's holding and of its project's."""
        member = self.control.holding(f"user:{self.user}", f"project:{self.user}", VM)
        project = self.control.holding(f"project:{self.user}", None, VM)
        return [(row["usage_min"], row["usage_max"]) for row in (member, project)]

    def compare(self, *options):
        """Run the command for the user's project; return its status and what it says."""
        words = ["reconcile", "usage", "--from", COUNTING, "--project", self.user, "--json"]
        result = CliRunner().invoke(main, [*words, "--resource", VM, "--apart", "0", *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result.exit_code, json.loads(result.stdout)

    def states(self, said):
        return [self.commissions.get(row["key"]).state for row in said["rows"] if row["key"]]

    def nothing_pending(self):
        until(lambda: not self.client.get_pending_commissions())


class LiveService:
    """Users who create and delete servers, at random, and a table of what there is."""

    def __init__(self, control, users):
        self.commissions = Commissions(settings=Settings())
        self.users = [control.add_user(f"{n}@live.example.org")["uuid"] for n in range(users)]
        self._table = dict.fromkeys(self.users, 0)
        self._lock = threading.Lock()
        self._end = threading.Event()
        self.failed = []
        self.done = 0

    def counts(self):
        """Rows as `usage` yields them."""
        with self._lock:
            return [(user, user, VM, n) for user, n in self._table.items()]

    def there_is(self, user, more):
        with self._lock:
            self._table[user] += more

    def works(self, commissions):
        """Be at work for so many commissions; what was begun is ended."""
        threads = [threading.Thread(target=self._work, args=[user]) for user in self.users]
        for thread in threads:
            thread.start()
        while self.done < commissions and not self.failed:
            yield
        self._end.set()
        for thread in threads:
            thread.join(60)
        assert not self.failed

    def _work(self, user):
        chance = random.Random(user)
        own = 0
        try:
            while not self._end.is_set():
                change = -1 if own and chance.random() < 0.4 else 1
                commission = self.commissions.issue(
                    user=user, project=user, provisions={VM: change}, key=uuid.uuid4().hex
                )
                commission.outcome(60)
                if chance.random() < 0.2:
                    commission.reject()
                else:
                    self.there_is(user, change)  # the local commit is the decision
                    own += change
                    commission.accept()
                commission.outcome(60)
                self.done += 1
                self._end.wait(chance.random() * 0.6)  # so that its holding is quiet at times
        except Exception as error:  # noqa: BLE001  # told by the test's own thread
            self.failed.append(error)
