"""What a 404 of an issue means, in words: the worker asks Astakos once, and names the mistake."""

import pytest

from astakos_worker.ledger.request import Provision
from astakos_worker.sandbox.seed import project_uuid, user_uuid
from astakos_worker.service import arguments
from astakos_worker.worker.unknown_names import SYNCHRONISING, unknown_name
from astakosclient import AstakosClient

pytest_plugins = ["astakos_worker.testing"]

ADA = user_uuid("user01@example.org")
SHARED = project_uuid("shared.example.org")
#: A uuid that nobody has, but for its last digits a user's.
NOBODY = f"{ADA[:-4]}0000"


@pytest.fixture
def client(astakos_sandbox):
    client = AstakosClient(astakos_sandbox.token("cyclades"), astakos_sandbox.auth_url)
    yield client
    client.close()


def asked(user, project, resource="cyclades.vm"):
    return arguments.one(user, project, {resource: 1}).provisions


@pytest.mark.parametrize(
    ("provisions", "text"),
    [
        (
            asked(ADA, ADA, "cyclades.vmm"),
            "Astakos has no resource 'cyclades.vmm'; the nearest known name is 'cyclades.vm'",
        ),
        (asked(NOBODY, NOBODY), f"Astakos has no user with the uuid '{NOBODY}'"),
        (asked("user01", ADA), "'user01' is neither the uuid nor the name of a user"),
        (asked(ADA, "lab"), "'lab' is no project: give the uuid of a project"),
        (
            asked(ADA, NOBODY),
            f"user '{ADA}' is in no project '{NOBODY}'; the nearest known name is '{ADA}'",
        ),
        (
            (Provision(f"project:{SHARED}", None, "cyclades.rma", 1),),
            "Astakos has no resource 'cyclades.rma'; the nearest known name is 'cyclades.ram'",
        ),
        (
            (Provision(f"project:{NOBODY}", None, "cyclades.vm", 1),),
            f"Astakos has no project '{NOBODY}'",
        ),
        (asked(ADA, ADA), SYNCHRONISING),
    ],
)
def test_the_mistake_is_named(client, provisions, text):
    assert unknown_name(client, provisions) == text


def test_a_name_that_came_by_another_way_is_answered_with_its_uuid(client):
    """A client of the queue may send what our own calls refuse."""
    one = Provision("user:user01@example.org", f"project:{ADA}", "cyclades.vm", 1)
    assert unknown_name(client, [one]) == (
        f"'user01@example.org' is a user's name; the uuid of that user is '{ADA}'"
    )


def test_an_astakos_that_does_not_answer_names_nothing(client, astakos_sandbox):
    astakos_sandbox.control.set_faults({"kind": "error-before", "status": 503})
    assert unknown_name(client, asked(ADA, ADA, "cyclades.vmm")) == ""


def test_one_question_is_sent(client, astakos_sandbox):
    def requests():
        return sum(
            number
            for answers in astakos_sandbox.control.audit()["requests"].values()
            for number in answers.values()
        )

    client.get_resources()  # the endpoints are known from now on
    before = requests()
    unknown_name(client, asked(ADA, ADA, "cyclades.vmm"))
    assert requests() == before + 1
