"""Each kind of reply has one class and one outcome, whichever peer sent it."""

import gc

import pytest

from astakosclient import (
    AstakosClientException,
    BadRequest,
    ConnectionError,  # noqa: A004 - the protocol's name
    Forbidden,
    InvalidResponse,
    NotFound,
    Outcome,
    QuotaLimit,
    Unauthorized,
)

CLASSES = [(400, BadRequest), (401, Unauthorized), (403, Forbidden), (404, NotFound)]
FAULTS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "notAllowed",
    409: "conflict",
}
HOLDING = {"holder": "user:u", "source": "project:p", "resource": "cyclades.vm", "quantity": 1}


def issue(client):
    return client.issue_provisions([HOLDING])


def failure_of(call, *args):
    with pytest.raises(AstakosClientException) as caught:
        call(*args)
    return caught.value


@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_c49_each_status_has_its_class_with_the_raw_body_in_response(
    peer, answer, client, status, kind
):
    peer.answers(answer.fault(status, FAULTS[status]))
    error = failure_of(client.get_resources)
    assert type(error) is kind
    assert error.status == status
    assert "so says Astakos" in error.response


@pytest.mark.parametrize("status", [302, 405, 409, 418, 500, 502, 599])
def test_c49_any_other_status_is_the_base_class_with_that_status(peer, answer, client, status):
    headers = ["Location: /elsewhere"] if status == 302 else []
    peer.answers(answer.plain(status, b"what it says", "Reason", headers))
    error = failure_of(client.get_resources)
    assert type(error) is AstakosClientException
    assert (error.status, error.response, error.details) == (status, "what it says", "")
    assert error.message == "Reason"
    assert len(peer.asked) == 1


@pytest.mark.parametrize(("status", "phrase"), [(405, "Method Not Allowed"), (409, "Conflict")])
def test_what_astakos_says_is_in_the_message_where_a_status_has_no_class(
    peer, answer, client, status, phrase
):
    said = "the name is taken by\n\x1b[31m another project"
    peer.answers(answer.json({FAULTS[status]: {"code": status, "message": said}}, status, "OK"))
    error = failure_of(client.get_resources)
    assert error.message == f"{phrase}: the name is taken by ?[31m another project"
    assert (error.details, str(error)) == ("", error.message)
    assert error.args == (error.message, "", status)


@pytest.mark.parametrize("fault", [{"code": 409}, {"code": 409, "message": 7}])
def test_a_conflict_that_says_nothing_is_told_by_its_phrase(peer, answer, client, fault):
    peer.answers(answer.json({"conflict": fault}, 409, "OK"))
    assert failure_of(client.get_resources).message == "Conflict"


@pytest.mark.parametrize(("status", "kind"), CLASSES)
def test_bug_12_the_body_is_in_response_always_and_in_details_where_it_was(
    peer, answer, client, status, kind
):
    peer.answers(answer.page(status))
    error = failure_of(client.get_resources)
    assert error.response == error.details == "<html>a proxy's page</html>"


@pytest.mark.parametrize("status", sorted(FAULTS))
def test_a_fault_of_astakos_own_is_a_refusal(peer, answer, client, status):
    peer.answers(answer.fault(status, FAULTS[status]))
    assert failure_of(issue, client).outcome is Outcome.REFUSED


@pytest.mark.parametrize("status", [300, 302, 400, 401, 403, 404, 409, 413, 500, 502, 503])
def test_a_page_of_a_proxy_is_never_a_verdict(peer, answer, client, status):
    """F15: its class follows from its status, and nobody knows what Astakos did."""
    peer.answers(answer.page(status))
    error = failure_of(issue, client)
    assert error.outcome is Outcome.AMBIGUOUS
    assert error.status == status


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": {"code": 404, "message": "another API says"}}',
        b'{"itemNotFound": {"code": 400}}',
        b'{"itemNotFound": {"message": "no code"}}',
        b'{"itemNotFound": {"code": 404}, "and": "more"}',
        b'{"itemNotFound": "text"}',
        b'["itemNotFound"]',
        b'{"itemNotFound": {"code": 404}',
        b"",
    ],
)
def test_what_only_resembles_a_fault_of_astakos_is_not_one(peer, answer, client, body):
    peer.answers(answer.json(body, 404))
    error = failure_of(issue, client)
    assert isinstance(error, NotFound)
    assert error.outcome is Outcome.AMBIGUOUS


def ask_for_a_token(client):
    return client.get_token("authorization_code", "id", "secret", code="c")


def test_an_error_of_oauth_is_a_refusal_of_a_token_and_of_nothing_else(peer, answer, client):
    """The protocol, section 3.15: OAuth 2 has an error of its own. The code was not used up."""
    peer.answers(answer.json({"error": "generic_error", "exception": "no such code"}, 400))
    assert failure_of(ask_for_a_token, client).outcome is Outcome.REFUSED
    assert failure_of(issue, client).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize(
    "reply",
    [
        (400, b"<html>"),
        (400, b'{"error": 7}'),
        (400, b'["error"]'),
        (400, b'{"error": "cut'),
        (500, b'{"error": "generic_error"}'),
    ],
    ids=str,
)
def test_what_only_resembles_an_error_of_oauth_leaves_it_open(peer, answer, client, reply):
    peer.answers(answer.json(reply[1], reply[0]))
    assert failure_of(ask_for_a_token, client).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_above_500_leaves_it_open(peer, answer, client, status):
    """F11: Astakos may fail after it has done the work."""
    peer.answers(answer.fault(status, "internalServerError"))
    assert failure_of(issue, client).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("call", ["get_commission_info", "accept_commission", "reject_commission"])
def test_the_empty_404_of_a_single_commission_is_a_refusal(peer, answer, client, call):
    peer.answers(answer.plain(404))
    assert failure_of(getattr(client, call), 57).outcome is Outcome.REFUSED


def test_an_empty_404_that_was_perhaps_cut_is_not_one(peer, answer, client):
    peer.answers(answer.cut_off(b"HTTP/1.1 404 Not Found\r\n\r\n"))
    error = failure_of(client.accept_commission, 57)
    assert isinstance(error, NotFound)
    assert error.outcome is Outcome.AMBIGUOUS


def test_an_empty_404_of_another_call_is_not_one(peer, answer, client):
    peer.answers(answer.plain(404))
    assert failure_of(client.resolve_commissions, [57], []).outcome is Outcome.AMBIGUOUS


@pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"serial": null}', b'{"serial": true}'])
def test_c46_a_2xx_without_a_serial_is_the_base_class(peer, answer, client, body):
    peer.answers(answer.json(body, 201))
    error = failure_of(issue, client)
    assert type(error) is AstakosClientException
    assert error.outcome is Outcome.AMBIGUOUS
    assert error.response == body.decode()


@pytest.mark.parametrize("serial", [0, -1, "57", 5.0, [57], 2**53, 2**63, 10**30])
def test_c46_a_serial_that_is_no_positive_integer_is_none(peer, answer, client, serial):
    peer.answers(answer.json({"serial": serial}, 201))
    assert failure_of(issue, client).outcome is Outcome.AMBIGUOUS


def test_the_largest_serial_that_is_believed(peer, answer, client):
    """F10. A script in Redis would round a larger one."""
    peer.answers(answer.json({"serial": 2**53 - 1}, 201))
    assert issue(client) == 2**53 - 1


def test_bug_4_the_message_about_a_missing_serial_has_no_placeholder(peer, answer, client):
    peer.answers(answer.json({}, 201))
    assert "%" not in str(failure_of(issue, client))


def test_bug_5_an_empty_2xx_is_no_type_error(peer, answer, client):
    peer.answers(answer.plain(201))
    error = failure_of(issue, client)
    assert type(error) is AstakosClientException
    assert (error.outcome, error.response) == (Outcome.AMBIGUOUS, "")
    for call in (client.get_usernames, client.get_uuids):
        assert type(failure_of(call, ["u"])) is AstakosClientException


@pytest.mark.parametrize(
    ("call", "args", "said"),
    [
        ("get_usernames", [["u"]], {"displayname_catalog": {}}),
        ("get_uuids", [["n"]], {"displayname_catalog": []}),
        ("get_username", ["u"], {"uuid_catalog": {"u": None}}),
        ("get_pending_commissions", [], [1, "2"]),
        ("get_pending_commissions", [], [True]),
        ("get_pending_commissions", [], [1, 2**53]),
        ("get_pending_commissions", [], {}),
        ("get_commission_info", [57], {"serial": 57}),
        ("get_commission_info", [57], {"serial": 2**53, "name": "n"}),
        ("resolve_commissions", [[1], []], {"accepted": [1]}),
        ("resolve_commissions", [[1], []], {"accepted": [2**53], "rejected": [], "failed": []}),
        ("resolve_commissions", [[1], []], {"accepted": [], "rejected": ["1"], "failed": []}),
        ("resolve_commissions", [[1], []], {"accepted": [], "rejected": [], "failed": [1]}),
        (
            "resolve_commissions",
            [[1], []],
            {"accepted": [], "rejected": [], "failed": [[True, {}]]},
        ),
        ("get_quotas", [], []),
        ("get_services", [], {}),
    ],
)
def test_a_reply_of_another_shape_is_the_base_class(  # noqa: PLR0917 # fixtures
    peer, answer, client, call, args, said
):
    peer.answers(answer.json(said))
    assert type(failure_of(getattr(client, call), *args)) is AstakosClientException


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        b'{"serial": 5',
        b'{"serial": NaN}',
        b"\xff\xfe",
        b'\xef\xbb\xbf{"serial": 5}',
        b"[" * 100_000,
        b'{"serial": ' + b"9" * 5000 + b"}",
    ],
    ids=["html", "cut", "NaN", "bytes", "mark", "depth", "digits"],
)
def test_c50_a_2xx_that_is_no_json_is_an_invalid_response(peer, answer, client, body):
    peer.answers(answer.json(body))
    error = failure_of(issue, client)
    assert type(error) is InvalidResponse
    assert error.outcome is Outcome.AMBIGUOUS
    assert error.response == body.decode("utf-8", "replace")


def test_c50_a_page_in_place_of_an_empty_200_is_no_success(peer, answer, client):
    peer.answers(answer.page(200))
    assert failure_of(client.accept_commission, 57).outcome is Outcome.AMBIGUOUS


def test_bug_13_utf8_is_read_and_written(peer, answer, client):
    peer.answers(answer.json('{"uuid_catalog": {"ü": "αστακός"}}'.encode()))
    assert client.get_usernames(["ü"]) == {"ü": "αστακός"}
    assert peer.asked[0].body == '{"uuids":["ü"]}'.encode()
    assert peer.asked[0].headers["content-length"] == str(len(peer.asked[0].body))


def test_c45_a_413_without_a_fault_is_a_quota_limit_without_details(peer, answer, client):
    peer.answers(answer.plain(413, b"garbage", "Too Large"))
    error = failure_of(issue, client)
    assert isinstance(error, QuotaLimit)
    assert (error.message, error.details, error.response) == ("Too Large", "", "garbage")
    assert error.outcome is Outcome.AMBIGUOUS


def test_c45_a_413_of_another_call_is_the_base_class(peer, answer, client):
    peer.answers(answer.fault(413, "overLimit"))
    error = failure_of(client.resolve_commissions, [1], [])
    assert (type(error), error.status) == (AstakosClientException, 413)


def test_a_lying_reason_is_not_repeated(peer, answer, client):
    """The protocol, section 10.2: `404 OK` is common."""
    peer.answers(answer.plain(404, b"", "OK"))
    assert failure_of(client.get_resources).message == "Not Found"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"HTTP/1.1 20",
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 5, 6\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 201 Created\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"SSH-2.0-not-HTTP\r\n",
        b"\x16\x03\x01\x00\xff garbage",
        b"HTTP/1.1 201 Created\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 9999 Huge\r\n\r\n",
        b"HTTP/1.1 201 Created\r\nContent-Length: 99999999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nContent-Length: 999999999999999999\r\n\r\n{}",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9" * 30 + b"\r\n{}",
    ],
)
def test_a_garbled_answer_is_one_of_our_errors_and_leaves_it_open(peer, answer, client, content):
    """F10."""
    peer.answers(answer.cut_off(content))
    assert failure_of(issue, client).outcome is Outcome.AMBIGUOUS
    gc.collect()  # a socket that was left open would be a warning, and so an error


def test_nobody_listening_is_not_sent(client_of, dead_url):
    """F4."""
    error = failure_of(issue, client_of(dead_url))
    assert type(error) is ConnectionError
    assert (error.outcome, error.ambiguous) == (Outcome.NOT_SENT, False)
    assert isinstance(error.errobject, ConnectionRefusedError)
    assert error.message == str(error.errobject)


def test_a_name_that_does_not_resolve_is_not_sent(client_of):
    """F4. The top-level domain `invalid` is reserved for names that never resolve."""
    error = failure_of(issue, client_of("http://no-such-host.invalid"))
    assert type(error) is ConnectionError
    assert error.outcome is Outcome.NOT_SENT


def test_a_connection_that_is_cut_is_ambiguous(peer, answer, client):
    client.get_endpoints()
    peer.answers(answer.cut)
    error = failure_of(issue, client)
    assert type(error) is ConnectionError
    assert (error.outcome, error.ambiguous) == (Outcome.AMBIGUOUS, True)


def test_bug_14_a_mistake_in_the_program_is_not_a_connection_error(peer, answer, client_of):
    """Neither in the client nor in a function that the caller gives. Nothing is repeated."""
    client = client_of(peer, retry=3)
    peer.answers(answer.json([57]), answer.json({"serial": 57, "name": "n"}))
    with pytest.raises(ZeroDivisionError):
        client.recover_commission(lambda _name: 1 / 0)
    client._transport._prefix = None
    for call in (client.get_resources, lambda: issue(client)):
        with pytest.raises(TypeError):
            call()
    assert not issubclass(ConnectionError, OSError)
