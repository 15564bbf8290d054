"""The token in a browser's cookie is returned, or None; nothing is raised."""

from types import SimpleNamespace

import pytest

from astakosclient import get_token_from_cookie


def request_with(**cookies):
    return SimpleNamespace(COOKIES=cookies)


def test_c13_the_token_follows_the_first_bar():
    assert get_token_from_cookie(request_with(_pithos2_a="u%7Ct"), "_pithos2_a") == "t"


def test_c13_a_missing_cookie_is_none():
    assert get_token_from_cookie(request_with(), "_pithos2_a") is None


def test_bug_2_only_the_first_bar_divides():
    assert get_token_from_cookie(request_with(c="u%7Ct%7Crest"), "c") == "t|rest"


@pytest.mark.parametrize("value", ["", "no bar", "u%7C", None, 7])
def test_bug_2_a_malformed_cookie_is_none(value):
    assert get_token_from_cookie(request_with(c=value), "c") is None


def test_bug_2_a_request_without_cookies_is_none():
    assert get_token_from_cookie(SimpleNamespace(), "c") is None


def test_bug_2_an_interrupt_comes_through():
    class Cookies(dict):
        def get(self, _name):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get_token_from_cookie(SimpleNamespace(COOKIES=Cookies()), "c")
