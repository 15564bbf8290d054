"""Every page says first who should read it, and what they know or can do afterwards."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def test_there_are_pages():
    assert len(PAGES) > 15


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_begins_with_its_readers(page):
    title, first, *_ = page.read_text(encoding="utf-8").split("\n\n")
    assert title.startswith("# ")
    assert re.match(r"(This page is for|For) ", first), first
    assert re.search(r"\bAfter(wards| this page| ten minutes)\b", first), first
