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


def test_every_page_has_a_place_in_the_site():
    index = (ROOT / "docs/site/index.md").read_text()
    placed = re.findall(r"^\.\./(\S+)$", index, re.MULTILINE)
    assert sorted(placed) == sorted(
        name.removesuffix(".md").removeprefix("docs/")
        if name.startswith("docs/")
        else f"../{name[:-3]}"
        for name in PAGES
    )


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_to_a_file_and_not_to_a_folder(name):
    """The site cannot show a folder."""
    page = ROOT / name
    targets = re.findall(r"\]\(([^)\s#]+)[^)]*\)", page.read_text())
    assert [one for one in targets if (page.parent / one).is_dir()] == []
