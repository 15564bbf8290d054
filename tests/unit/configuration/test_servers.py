"""Addresses of servers: one, or a master that Sentinels know; and what Celery is told of them."""

import pytest

from astakos_worker.configuration.servers import Watched, connect, for_celery, watched


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("sentinel://a/?master=m", Watched((("a", 26379),), "m")),
        ("sentinel://a:1;b:2/3?master=m", Watched((("a", 1), ("b", 2)), "m", 3)),
        ("sentinel://a:1;sentinel://b:2/3?master=m", Watched((("a", 1), ("b", 2)), "m", 3)),
        ("sentinel://[::1]:1;b/3?master=m", Watched((("::1", 1), ("b", 26379)), "m", 3)),
        (
            "sentinel://u:p%40w@a;b/1?master=m",
            Watched((("a", 26379), ("b", 26379)), "m", 1, "u:p%40w@"),
        ),
    ],
)
def test_a_url_names_sentinels_and_their_master(url, where):
    assert watched(url) == where


@pytest.mark.parametrize(
    "url",
    [
        "sentinel://a:1",
        "sentinel://a:1/0?name=m",
        "sentinel://;b/0?master=m",
        "sentinel://a/x?master=m",
    ],
)
def test_what_is_missing_is_said(url):
    with pytest.raises(ValueError, match=r"must be sentinel://|must be a number"):
        watched(url)


def test_the_master_is_asked_with_its_own_user():
    master = connect("sentinel://u:p%40w@a;b/1?master=m", patience=1)
    options = master.connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("u", "p@w", 1)
    assert watched("sentinel://:p@a/1?master=m").user == {"password": "p"}


def test_celery_is_told_the_master_apart_from_each_address():
    url, options = for_celery("sentinel://u:p%40w@a;[::1]:2/1?master=m")
    assert url == "sentinel://u:p%40w@a:26379/1;sentinel://u:p%40w@[::1]:2/1"
    assert options["master_name"] == "m"
    assert options["sentinel_kwargs"]["retry"] is None  # or one that is away costs seconds


@pytest.mark.parametrize("url", ["redis://h:1/2", "sentinel://a:1/0", "db+postgresql://h/results"])
def test_what_is_celerys_own_is_left_as_it_is(url):
    assert for_celery(url) == (url, {})
