"""What the benchmarks make of their samples."""

from xml.etree import ElementTree as ET

import pytest

from bench import plots
from bench.figures import AIMS, by_rounds, most
from bench.report import markdown
from bench.scenarios import SCENARIOS


class Asked(dict):
    """Results that hold nothing, and remember what they were asked for."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __missing__(self, name):
        self.names.append(name)
        raise KeyError(name)


@pytest.mark.parametrize("aim", AIMS, ids=lambda aim: aim.text)
def test_an_aim_is_about_a_scenario_that_there_is(aim):
    asked = Asked()
    assert aim.row(asked) is None
    assert set(asked.names) <= SCENARIOS.keys()


def test_a_ratio_is_that_of_the_rounds_so_that_a_slow_round_is_slow_for_both():
    rounds = {"ours": {"a second": [30.0, 3.0, 36.0]}, "plain": {"a second": [10.0, 1.0, 10.0]}}
    row = most("three times", 2, by_rounds("s", "ours", "plain")).row({"s": rounds})
    assert (row["got"], row["met"]) == (3.0, False)


def test_a_plot_is_an_image_with_a_line_and_a_name_for_each():
    found = {"ours & co": {"1": [1.0, 3.0], "10": [20.0]}, "plain": {"1": [2.0], "10": [7.0]}}
    image = ET.fromstring(plots.plot(found, "a title", "an axis"))
    lines = [e for e in image.iter() if e.tag.endswith("polyline")]
    texts = {e.text for e in image.iter() if e.tag.endswith("text")}
    assert len(lines) == 2
    assert {"a title", "an axis", "ours & co", "plain"} <= texts


def test_the_tables_are_written_for_a_page_too():
    page = markdown({"free": {"ours": {"a second": [1.0, 3.0]}, "plain": {"a second": [1.0]}}}, [])
    assert "| ours | 2 | 1 to 3 |" in page and SCENARIOS["free"].title in page
