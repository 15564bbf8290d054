"""No token is found in what a person or a log may see (F62)."""

import json
import logging
import pickle
import traceback

import pytest

from astakosclient import AstakosClientException

OTHER = "an-access-token-of-another"
SECRET = "a secret & more of it"


def everything_about(error):
    return "\n".join(
        [
            str(error),
            repr(error),
            repr(error.args),
            repr(vars(error)),
            json.dumps(error.to_dict()),
            repr(pickle.dumps(error)),
            *traceback.format_exception(error),
        ]
    )


def calls(client):
    return [
        client.get_resources,
        client.authenticate,
        lambda: client.issue_provisions([]),
        lambda: client.validate_token(OTHER),
        lambda: client.get_token("authorization_code", "id", SECRET, code=OTHER),
    ]


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("how", ["page", "no json", "cut", "echo", "refused"])
def test_no_error_and_no_log_holds_a_token(  # noqa: PLR0917 # fixtures
    peer, answer, client_of, token, caplog, which, how
):
    """Even if the peer sends back all that it was sent, and every logger is at level DEBUG."""
    client = client_of(peer, use_pool=True)
    client.get_endpoints()

    def echo(request):
        said = json.dumps([request.target, request.headers, request.body.decode()])
        status = 400 if how == "echo" else 200
        return answer.plain(status, (said if how == "echo" else f"<{said}").encode())

    echo.wants_request = True
    move = {"page": answer.page(500), "cut": answer.cut}.get(how, echo)
    peer.answers(move)
    peer.catalog = move
    if how == "refused":
        peer.close()
        client.close()
    with (
        caplog.at_level(logging.DEBUG),
        caplog.at_level(logging.DEBUG, "urllib3"),
        pytest.raises(AstakosClientException) as caught,
    ):
        calls(client)[which]()
    seen = "\n".join(
        [
            everything_about(caught.value),
            caplog.text,
            repr(client),
            repr(client.log_request),
            repr(client.log_response),
        ]
    )
    for secret in (token, OTHER, SECRET, "a+secret+%26"):
        assert secret not in seen


def test_log_request_and_log_response_tell_the_rest(peer, answer, client):
    peer.answers(answer.json({"serial": 57}, 201, "Created"))
    assert client.log_request == client.log_response == {}
    client.issue_provisions([], "a name")
    request, response = client.log_request, client.log_response
    assert (request["method"], request["path"]) == ("POST", "/some/account/v1.0/commissions")
    assert request["headers"]["X-Auth-Token"] == "***"
    assert json.loads(request["body"])["name"] == "a name"
    assert response == {"status": 201, "message": "Created", "data": '{"serial": 57}'}


def test_log_response_is_empty_where_none_came(peer, answer, client):
    client.get_resources()
    peer.answers(answer.cut)
    with pytest.raises(AstakosClientException):
        client.get_resources()
    assert client.log_response == {}


def test_a_successful_login_is_logged_without_the_token(peer, answer, client, token, caplog):
    peer.catalog = answer.json({"access": {"token": {"id": token}, "serviceCatalog": []}})
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3"):
        assert client.authenticate()["access"]["token"]["id"] == token
    assert "/tokens" in caplog.text
    assert token not in caplog.text
    assert token not in repr(client.log_request)
    assert token not in repr(client.log_response)


def test_bug_15_the_shared_logger_keeps_its_level(peer, client_of, token):
    shared = logging.getLogger("astakosclient")
    shared.setLevel(logging.ERROR)
    try:
        client_of(peer).get_resources()
        assert shared.level == logging.ERROR
    finally:
        shared.setLevel(logging.NOTSET)


def test_bug_15_no_header_is_logged_and_no_credential_of_an_application(
    peer, answer, client, caplog
):
    """Neither in plain text nor in the form of Basic authentication."""
    peer.answers(answer.json({"access_token": "at"}))
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "urllib3"):
        client.get_token("authorization_code", "id", SECRET, code=OTHER)
    sent = peer.asked[0].headers["authorization"].removeprefix("Basic ")
    assert "/oauth2/token" in caplog.text
    for secret in (sent, SECRET, OTHER):
        assert secret not in caplog.text
        assert secret not in repr(client.log_request)


def test_a_logger_may_be_given(peer, client_of, caplog):
    mine = logging.getLogger("of.my.own")
    with caplog.at_level(logging.DEBUG, "of.my.own"):
        client_of(peer, logger=mine).get_resources()
    told = [one.getMessage() for one in caplog.records if one.name == "of.my.own"]
    assert [line.partition(":")[0] for line in told] == [
        "POST /identity/v2.0/tokens",
        "GET /some/account/v1.0/resources",
    ]


def test_no_traceback_holds_a_token_that_a_record_factory_has_written_already(
    peer, answer, client, token, caplog
):
    """F62: the workers' own records are made with the text of the traceback in them."""

    class Written(logging.LogRecord):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            if self.exc_info:
                self.exc_text = logging.Formatter().formatException(self.exc_info)

    peer.answers(answer.cut_off(f"HTTP/1.1 500 no\r\n{token}\r\n\r\n".encode()))
    factory = logging.getLogRecordFactory()
    logging.setLogRecordFactory(Written)
    try:
        with caplog.at_level(logging.DEBUG), pytest.raises(AstakosClientException):
            client.issue_provisions([])
    finally:
        logging.setLogRecordFactory(factory)
    assert "Failed to parse headers" in caplog.text
    assert token not in caplog.text
