"""Whatever a peer answers, a call ends in time, with an answer or an error of the client's own.

The same answers each time, so that nobody's work is held up by chance; with
`ASTAKOS_FUZZ_EXAMPLES=20000` so many new ones are tried.
"""

import gc
import json
import logging
import os
import pickle
import time
import traceback

import pytest
from hypothesis import HealthCheck, example, given, note, settings
from hypothesis import strategies as st

from astakosclient import AstakosClientException, NoEndpoints, NoUserName, NoUUID, Outcome
from tests.unit.client.answers_of_all_kinds import HELD, answers

EXAMPLES = int(os.environ.get("ASTAKOS_FUZZ_EXAMPLES", "0"))
OTHER = "an-access-token-of-another"
SECRET = "the-secret-of-an-application"
# A call that takes longer hangs (seconds). The deadline of each is 5 seconds or less.
PATIENCE = 20

CALLS = {
    "authenticate": (dict, lambda client: client.authenticate()),
    "get_endpoints": (dict, lambda client: client.get_endpoints(extra=True)),
    "validate_token": (dict, lambda client: client.validate_token(OTHER)),
    "get_token": (dict, lambda client: client.get_token("g", "id", SECRET, code=OTHER)),
    "get_usernames": (dict, lambda client: client.get_usernames(["u"])),
    "get_username": (str, lambda client: client.get_username("u")),
    "service_get_uuid": (str, lambda client: client.service_get_uuid("n")),
    "get_services": (list, lambda client: client.get_services()),
    "get_resources": (dict, lambda client: client.get_resources()),
    "service_get_quotas": (dict, lambda client: client.service_get_quotas(["u"])),
    "send_feedback": (type(None), lambda client: client.send_feedback("m", "d")),
    "issue_provisions": (int, lambda client: client.issue_provisions([HELD], fresh=True)),
    "get_pending_commissions": (list, lambda client: client.get_pending_commissions()),
    "get_commission_info": (dict, lambda client: client.get_commission_info(57)),
    "accept_commission": (type(None), lambda client: client.accept_commission(57)),
    "resolve_commissions": (dict, lambda client: client.resolve_commissions([1], [2])),
    "recover_commission": (list, lambda client: client.recover_commission("tag")),
    "get_projects": (list, lambda client: client.get_projects()),
    "modify_project": (dict, lambda client: client.modify_project("p", {})),
    "join_project": (dict, lambda client: client.join_project("p")),
    "ui_prefix": (str, lambda client: client.ui_prefix),
    "oauth2_prefix": (str, lambda client: client.oauth2_prefix),
}
# Where Astakos' refusal is an empty 404.
ONE_SERIAL = ("get_commission_info", "accept_commission", "recover_commission")
# What a peer may repeat, where it is not the client's token.
SENT = {"validate_token": OTHER, "get_token": SECRET}


def chain(error):
    """Return the error and all that stands behind it, whether a traceback shows it or not."""
    if error is None:
        return []
    return [error, *chain(error.__cause__), *chain(error.__context__)]


def told_by(error):
    links = chain(error)
    return "\n".join(
        [
            *map(str, links),
            *map(repr, links),
            *(repr(vars(link)) for link in links),
            json.dumps(error.to_dict()),
            *traceback.format_exception(error),
        ]
    )


def check_outcome(error, name, *, may_be_unsent):
    """Only an answer of Astakos' own is a verdict; a request that was answered was sent."""
    assert pickle.loads(pickle.dumps(error)).to_dict() == error.to_dict()
    if error.outcome is Outcome.REFUSED:
        lacking = isinstance(error, NoEndpoints | NoUserName | NoUUID)
        bare = (name, error.status, error.response) in {(one, 404, "") for one in ONE_SERIAL}
        body = error.response or ""
        oauth = name == "get_token" and error.status == 400 and '"error"' in body
        assert '"code"' in body or lacking or bare or oauth
    assert error.outcome is not Outcome.NOT_SENT or may_be_unsent


@given(
    content=answers(),
    name=st.sampled_from(sorted(CALLS)),
    garbled_catalog=st.booleans(),
    use_pool=st.booleans(),
    left_open=st.integers(0, 15).map(lambda number: not number),
)
@settings(
    max_examples=EXAMPLES or 300,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    # The fixtures are a peer and clients of it, given new answers each time.
    suppress_health_check=list(HealthCheck),
)
@example(
    content=b"HTTP/1.1 500 TOKEN\r\nTOKEN\r\n\r\n",
    name="issue_provisions",
    garbled_catalog=False,
    use_pool=True,
    left_open=False,
)
@pytest.mark.long
def test_a_garbled_answer_is_an_answer_or_an_error_of_the_clients_own(  # noqa: PLR0917 # drawn
    peer, answer, client_of, token, caplog, content, name, garbled_catalog, use_pool, left_open
):
    """F10, F58, F62: never another exception, never a hang, never a token in sight."""
    caplog.clear()
    secret = token if garbled_catalog else SENT.get(name, token)
    content = content.replace(b"TOKEN", secret.encode())
    note(repr(content[:500]))
    good = peer.catalog
    move = hold_open(answer, content) if left_open else answer.cut_off(content)
    peer.answers(move)
    peer.got.clear()
    expected, call = CALLS[name]
    client = client_of(peer, use_pool=use_pool, total_timeout=0.05 if left_open else 5)
    told = []
    began = time.monotonic()
    try:
        if garbled_catalog:
            peer.catalog = move
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3"):
            answered = call(client)
    except AstakosClientException as error:
        told.append(told_by(error))
        check_outcome(error, name, may_be_unsent=garbled_catalog or left_open)
    else:
        assert isinstance(answered, expected)
    finally:
        assert time.monotonic() - began < PATIENCE
        told += [caplog.text, repr(client), repr(client.log_request), repr(client.log_response)]
        peer.catalog = good
        client.close()
    assert secret not in "\n".join(told)


def hold_open(answer, content):
    def move(sock):
        sock.sendall(content)
        return answer.hang(sock)

    return move


def test_nothing_is_left_open_after_garbled_answers(peer, answer, client_of):
    """A socket that nobody closed would be a warning, and so an error."""
    for use_pool in (True, False):
        client = client_of(peer, use_pool=use_pool, total_timeout=0.2)
        for content in (b"", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", b"junk"):
            peer.answers(answer.cut_off(content))
            try:
                client.get_resources()
            except AstakosClientException:
                continue
            raise AssertionError(f"{content!r} was taken for an answer")
    gc.collect()
