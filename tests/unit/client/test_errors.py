"""Errors are values: they survive copying, pickling and JSON, and say what became of a request."""

import copy
import inspect
import json
import pickle
import socket
import ssl

import pytest

import astakosclient
from astakosclient import errors
from astakosclient.errors import AstakosClientException, Outcome

SAMPLES = [
    AstakosClientException("m", "d", 409, '{"conflict": {}}', outcome=Outcome.REFUSED),
    errors.ConnectionError(ConnectionRefusedError(111, "refused"), outcome=Outcome.NOT_SENT),
    errors.ConnectionError(socket.gaierror(-2, "unknown")),
    errors.ConnectionError(ssl.SSLError(1, "no")),
    errors.LocalError(OSError(24, "Too many open files")),
    errors.BadValue("no such thing"),
    errors.InvalidResponse("m", response="<html>"),
    errors.BadRequest("m", "d", response="d"),
    errors.Unauthorized("m", "d", response="d"),
    errors.Forbidden("m", "d", response="d"),
    errors.NotFound("m", "d", response="d", outcome=Outcome.REFUSED),
    errors.QuotaLimit(
        "m",
        "d",
        response="d",
        outcome=Outcome.REFUSED,
        holder="user:u",
        source="project:p",
        resource="cyclades.vm",
        limit=4,
        usage=4,
        quantity=1,
        case="member",
    ),
    errors.NoUserName("u"),
    errors.NoUUID("ada"),
    errors.NoEndpoints("n", "t", None, "v"),
]


def fields_of(error):
    known = {name: value for name, value in vars(error).items() if name != "errobject"}
    return {
        **known,
        "args": error.args,
        "status": error.status,
        "text": str(error),
        "cause": str(error.errobject),
    }


def by_json(error):
    return AstakosClientException.from_dict(json.loads(json.dumps(error.to_dict())))


def by_pickle(error):
    return pickle.loads(pickle.dumps(error))


@pytest.mark.parametrize("way", [by_pickle, copy.copy, copy.deepcopy, by_json])
@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_comes_back_with_its_class_and_fields(error, way):
    back = way(error)
    assert type(back) is type(error)
    assert fields_of(back) == fields_of(error)
    assert isinstance(back.errobject, OSError) == isinstance(error.errobject, OSError)


def test_each_class_of_the_tree_is_in_the_samples():
    tree = {one for _, one in inspect.getmembers(errors, inspect.isclass)}
    raised = {one for one in tree if issubclass(one, AstakosClientException)}
    assert raised == {type(error) for error in SAMPLES}


def test_an_error_of_an_unknown_class_comes_back_as_the_base():
    back = AstakosClientException.from_dict({"class": "FromTheFuture", "message": "m"})
    assert type(back) is AstakosClientException
    assert (back.message, back.status, back.outcome) == ("m", 500, Outcome.AMBIGUOUS)


def test_an_unusual_cause_does_not_stand_in_the_way_of_a_pickle():
    class Odd(Exception):  # noqa: N818 - it is what it is
        def __init__(self):
            super().__init__(lambda: None)

    back = by_pickle(errors.ConnectionError(Odd()))
    assert isinstance(back.errobject, Exception)


def test_the_five_attributes_and_args_are_the_documented_ones():
    cause = OSError("down")
    error = AstakosClientException("m", "d", 409, "r", cause)
    assert (error.message, error.details, error.status) == ("m", "d", 409)
    assert (error.response, error.errobject) == ("r", cause)
    assert error.args == ("m", "d", 409)


def test_the_status_of_a_class_wins_over_the_argument():
    assert errors.NotFound("m", status=500).status == 404
    assert errors.Forbidden().status == 403


def test_bug_17_errors_of_the_library_do_not_look_like_faults_of_the_server():
    for error in (errors.BadValue("d"), errors.NoUserName("u"), errors.NoUUID("n")):
        assert 400 <= error.status < 500
        assert error.outcome is Outcome.REFUSED


def test_bad_value_keeps_its_text_in_details():
    error = errors.BadValue("what is wrong")
    assert (error.message, error.details) == ("ValueError", "what is wrong")


def test_a_bad_value_says_what_is_wrong_and_nothing_before_that():
    assert str(errors.BadValue("retry must be more than 0")) == "retry must be more than 0"
    assert repr(errors.BadValue("no")) == "<BadValue 400 (refused): no>"


def test_a_long_page_does_not_flood_a_log_line():
    assert len(str(errors.NotFound("m", "x" * 100_000))) < 600


def test_every_error_is_public():
    for error in SAMPLES:
        assert getattr(astakosclient, type(error).__name__) is type(error)
