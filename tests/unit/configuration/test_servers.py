"""URLs of servers: each documented form is read, a wrong one refused, and no password shown."""

import ssl

import pytest
from kombu.utils.url import parse_url

from astakos_worker.configuration.servers import ServerUrl, connect, for_celery, read_url

VERIFIED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}
#: A password of all the characters that mean something in a URL, and how it stands in one.
PASSWORD, QUOTED = "a@b:c/d?e#f%g;h", "a%40b%3Ac%2Fd%3Fe%23f%25g%3Bh"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("redis://h", ServerUrl((("h", 6379),))),
        ("redis://h:1/2", ServerUrl((("h", 1),), database=2)),
        ("redis://h:1?db=2", ServerUrl((("h", 1),), database=2)),
        ("redis:///3", ServerUrl((("localhost", 6379),), database=3)),
        ("redis://[::1]:1/2", ServerUrl((("::1", 1),), database=2)),
        ("redis://[fe80::1]", ServerUrl((("fe80::1", 6379),))),
        (f"redis://u:{QUOTED}@h", ServerUrl((("h", 6379),), username="u", password=PASSWORD)),
        ("redis://:p@q:r@h", ServerUrl((("h", 6379),), password="p@q:r")),
        (f"redis://h?password={QUOTED}", ServerUrl((("h", 6379),), password=PASSWORD)),
        ("rediss://h", ServerUrl((("h", 6379),), tls=VERIFIED)),
        ("unix:///run/v.sock", ServerUrl(path="/run/v.sock")),
        (
            f"unix://u:{QUOTED}@/run/v.sock?db=1",
            ServerUrl(path="/run/v.sock", database=1, username="u", password=PASSWORD),
        ),
        ("redis+socket:///run/v.sock", ServerUrl(path="/run/v.sock")),
        ("redis+socket:///run/v.sock?virtual_host=4", ServerUrl(path="/run/v.sock", database=4)),
        ("sentinel://a/?master=m", ServerUrl((("a", 26379),), master="m")),
        ("sentinel://a:1;b:2/3?master=m", ServerUrl((("a", 1), ("b", 2)), master="m", database=3)),
        (
            "sentinel://a:1;sentinel://[::1]:2/3?master=m",
            ServerUrl((("a", 1), ("::1", 2)), master="m", database=3),
        ),
        (
            f"sentinel://u:{QUOTED}@a;b/1?master=m&sentinel_username=s&sentinel_password={QUOTED}",
            ServerUrl(
                (("a", 26379), ("b", 26379)),
                master="m",
                database=1,
                username="u",
                password=PASSWORD,
                sentinel_username="s",
                sentinel_password=PASSWORD,
            ),
        ),
        ("sentinel://a?master=m&ssl=true", ServerUrl((("a", 26379),), master="m", tls=VERIFIED)),
        (
            "sentinel://a?master=m&sentinel_ssl=true",
            ServerUrl((("a", 26379),), master="m", sentinel_tls=VERIFIED),
        ),
    ],
)
def test_each_documented_form_is_read(url, server):
    assert read_url(url) == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("h:6379", "must be a redis://"),
        ("http://h", "must be a redis://"),
        ("redis://h:99999", "the port must be a number from 1 to 65535"),
        ("redis://h:0", "the port must be a number from 1 to 65535"),
        ("redis://h:secret", "the port must be a number"),
        ("redis://:se/cret@h", "the port must be a number"),
        ("redis://:se#cret@h", "has a # in it"),
        ("redis://[::1", "cannot be read as a URL"),
        ("redis://h/secret", "the database must be a number"),
        ("redis://h/0?socket_timeout=3", "the options db, username, password and no others"),
        ("redis://h/0?ssl_ca_certs=/ca", "TLS is rediss://"),
        ("redis://h/0\n", "has a space or a line break in it"),
        ("rediss://h?ssl_cert_reqs=secret", "ssl_cert_reqs: must be none, optional or required"),
        ("rediss://h?ssl_ca_certs=/nowhere/ca", "the file cannot be read .No such file"),
        ("rediss://h?ssl_check_hostname=perhaps", "must be true or false"),
        ("unix://run/v.sock", "with three slashes"),
        ("unix://", "with three slashes"),
        ("sentinel://a:1", "sentinel://host:26379;host:26379/0.master=name"),
        ("sentinel://a:1/0?name=m", "the options"),
        ("sentinel://;b/0?master=m", "sentinel://host:26379;host:26379/0.master=name"),
        ("sentinel://a/x?master=m", "the database must be a number"),
    ],
)
def test_a_wrong_url_is_refused_with_the_reason_and_without_its_words(url, reason):
    with pytest.raises(ValueError, match=reason) as refused:
        read_url(url)
    assert "secret" not in str(refused.value) and "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        *[(word, "required") for word in ("required", "CERT_REQUIRED", "REQUIRED")],
        *[(word, "optional") for word in ("optional", "CERT_OPTIONAL")],
        *[(word, "none") for word in ("none", "CERT_NONE", "None")],
    ],
)
def test_celerys_and_redis_pys_spellings_of_verifying_mean_the_same(value, meaning):
    assert read_url(f"rediss://h?ssl_cert_reqs={value}").tls["ssl_cert_reqs"] == meaning


def test_all_options_of_tls_are_read(tmp_path):
    file = tmp_path / "a file.pem"
    file.touch()
    given = {
        "ssl_ca_certs": file,
        "ssl_ca_path": tmp_path,
        "ssl_certfile": file,
        "ssl_keyfile": file,
        "ssl_password": "%26",
        "ssl_check_hostname": "False",
        "ssl_ciphers": "ECDHE",
        "ssl_min_version": "TLSv1_3",
    }
    query = "&".join(f"{name}={value}" for name, value in given.items())
    assert read_url(f"rediss://h?{query}".replace(" ", "%20")).tls == {
        **{name: str(value) for name, value in given.items()},
        "ssl_cert_reqs": "required",
        "ssl_password": "&",
        "ssl_check_hostname": False,
        "ssl_min_version": ssl.TLSVersion.TLSv1_3,
    }


def test_no_password_is_in_what_is_shown():
    url = "sentinel://u:secret@a?master=m&sentinel_password=secret&ssl=yes&ssl_password=secret"
    assert "secret" not in repr(read_url(url))


def test_the_master_is_asked_with_its_own_user():
    master = connect("sentinel://u:p%40w@a;b/1?master=m", patience=1)
    options = master.connection_pool.connection_kwargs
    assert (options["username"], options["password"], options["db"]) == ("u", "p@w", 1)


# --- As Celery is told ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis://h:1/2", "redis://h:1/2"),
        (f"rediss://u:{QUOTED}@h:1/2", f"rediss://u:{QUOTED}@h:1/2"),
        ("redis://[::1]:1/2", "redis://[::1]:1/2"),
        ("unix:///run/v.sock?db=3", "redis+socket:///run/v.sock?virtual_host=3"),
        ("redis+socket://:p@/run/v", "redis+socket://:p@/run/v?virtual_host=0"),
        (
            "sentinel://u:p%40w@a;[::1]:2/1?master=m",
            "sentinel://u:p%40w@a:26379/1;sentinel://u:p%40w@[::1]:2/1",
        ),
    ],
)
def test_celery_is_told_a_url_that_it_reads(url, told):
    assert for_celery(url).url == told


def test_celery_reads_back_every_character_of_a_password():
    read = parse_url(for_celery(f"redis://{QUOTED}:{QUOTED}@h:1/2").url)
    assert (read["userid"], read["password"], read["virtual_host"]) == (PASSWORD, PASSWORD, "2")


def test_celery_is_told_of_tls_and_sentinels_apart_from_the_url():
    url = "sentinel://a/1?master=m&ssl=yes&sentinel_ssl=yes&sentinel_password=p"
    told = for_celery(url)
    assert told.use_ssl == VERIFIED
    assert told.options["master_name"] == "m"
    sentinels = told.options["sentinel_kwargs"]
    assert (sentinels["ssl"], sentinels["ssl_cert_reqs"]) == (True, "required")
    assert sentinels["password"] == "p"
    assert sentinels["retry"] is None  # or one that is away costs seconds
    assert for_celery("redis://h").use_ssl is None


def test_what_is_celerys_own_is_left_as_it_is():
    assert for_celery("db+postgresql://h/results") == ("db+postgresql://h/results", None, {})
