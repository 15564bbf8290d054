"""Every page: each link leads to a page, and to a heading, that there is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("tests/*.md")]
)


def anchors(page):
    """What a heading is called in a link."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_all_pages_are_looked_at():
    assert {"README.md", "CHANGELOG.md", "docs/operations.md", "tests/README.md"} < set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"\w+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = page.parent / path if path else page
        assert place.exists(), target
        assert not anchor or anchor in anchors(place), target


@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("docs/")])
def test_every_page_is_found_from_the_first_one(name):
    assert f"]({name})" in (ROOT / "README.md").read_text()
