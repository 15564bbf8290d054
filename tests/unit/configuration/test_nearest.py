"""The end of a text about a name that nobody knows."""

import pytest

from astakos_worker.configuration.nearest import nearest

RESOURCES = ["cyclades.vm", "cyclades.ram", "pithos.diskspace"]


@pytest.mark.parametrize("wrong", ["cyclades.vmm", "cyclade.vm", "cyclades.wm"])
def test_the_nearest_name_is_named(wrong):
    assert nearest(wrong, RESOURCES) == "; the nearest known name is 'cyclades.vm'"


def test_where_none_is_near_the_known_ones_are_listed():
    assert nearest("x", ["b", "a"]) == "; there are 'a', 'b'"
    many = [f"service-{n}" for n in range(8)]
    assert nearest("x", many).endswith("'service-4' and 3 more")


def test_where_none_is_known_there_is_nothing_to_say():
    assert nearest("x", []) == ""
