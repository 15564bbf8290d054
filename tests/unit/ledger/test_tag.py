"""The tag at the end of a wire name is the thread by which a lost answer is found (F22, F70)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astakos_worker.ledger.record import KEY_LIMIT
from astakos_worker.ledger.request import NAME_LIMIT, Tag, read_tag, wire_name
from tests.unit.ledger.records import fresh

TAG = Tag("default.cyclades", "server-42/create", "0a1b2c3d", "0123456789abcdef")
FAKE = str(TAG._replace(key="another"))

keys = st.text(st.characters(codec="utf-8").filter(str.isprintable), min_size=1, max_size=KEY_LIMIT)
tags = st.builds(
    Tag,
    st.from_regex(r"[a-z][a-z0-9_.-]{0,65}", fullmatch=True),
    keys,
    st.from_regex(r"[0-9a-f]{8}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
)
words = st.sampled_from([FAKE, "[astakos1 ", "]", "[", "%", " ", "\n", "name", "ταμπέλα"])
texts = st.lists(words | st.text(st.characters(codec="utf-8"), max_size=10), max_size=6)


@given(texts.map("".join), tags)
def test_a_tag_is_read_back_whatever_text_precedes_it(text, tag):
    assert read_tag(wire_name(text, tag)) == tag


@given(texts.map("".join))
def test_text_alone_carries_no_tag_unless_it_ends_with_one(text):
    if not text.endswith("]"):
        assert read_tag(text) is None


@pytest.mark.parametrize(
    "key",
    ["a b", "100%", "%41", "[x]", "]", "[astakos1 a b]", "ключ", "鍵", "😀" * KEY_LIMIT, "~._-"],
)
def test_any_printable_key_fits_and_comes_back(key):
    """F22: 200 characters of four bytes each are the longest key there can be."""
    tag = TAG._replace(key=key)
    name = wire_name("text", tag)
    assert len(name) <= NAME_LIMIT
    assert read_tag(name) == tag


def test_a_fake_tag_in_the_text_is_harmless():
    """F22: only the last one, at the very end, is read."""
    assert read_tag(wire_name(FAKE, TAG)) == TAG
    assert read_tag(wire_name(f"{FAKE} {FAKE}", TAG)) == TAG


@pytest.mark.parametrize("after", [" ", "\n", ".", "x"])
def test_a_tag_that_is_not_at_the_very_end_is_none(after):
    assert read_tag(FAKE + after) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "web server",
        "[astakos1]",
        "[astakos1 ns key 0a1b2c3d]",
        "[astakos1 ns a key 0a1b2c3d 0123456789abcdef]",
        "[astakos1 ns key 0A1B2C3D 0123456789abcdef]",
        "[astakos1 ns key 0a1b2c3d 0123456789abcde]",
        "[astakos2 ns key 0a1b2c3d 0123456789abcdef]",
        "[astakos1 Ns key 0a1b2c3d 0123456789abcdef]",
        "[astakos1 ns  0a1b2c3d 0123456789abcdef]",
    ],
)
def test_what_is_no_tag_of_ours_is_foreign(name):
    """F34."""
    assert read_tag(name) is None


def test_a_name_and_its_tag_stand_apart():
    assert wire_name("text", TAG) == f"text {TAG}"
    assert wire_name("", TAG) == str(TAG)


def test_a_name_may_fill_what_astakos_keeps_and_no_more():
    """F22: what Astakos would cut off is the tag."""
    room = NAME_LIMIT - len(str(TAG)) - 1
    name = wire_name("x" * room, TAG)
    assert len(name) == NAME_LIMIT and read_tag(name) == TAG
    with pytest.raises(ValueError, match=f"{room} fit"):
        wire_name("x" * (room + 1), TAG)


def test_two_ledgers_on_one_token_read_each_others_tags_as_foreign():
    """F70: by the namespace alone."""
    ours, theirs = fresh().tag("production.shop"), fresh().tag("staging.shop")
    assert read_tag(wire_name("", ours)) != theirs
    assert ours._replace(namespace="staging.shop") == theirs


def test_a_key_in_use_again_has_another_tag():
    """F71: a ghost of the first life is not taken for the second."""
    record = fresh()
    assert record.tag("ns").incarnation == record.incarnation
    assert read_tag(str(record.tag("ns"))) != TAG
