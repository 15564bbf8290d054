"""The documentation as a site: `make docs`. The pages stay where they are, and are read there too.

The source folder is the whole project, so that links between README, `docs/` and `tests/` hold. No
page of another host is read.
"""

from astakos_worker import __version__

project = "Astakos Worker"
copyright = "the authors of Astakos Worker"  # noqa: A001  # Sphinx's name
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
root_doc = "docs/site/index"
include_patterns = ["*.md", "docs/*.md", "docs/site/*.md", "tests/README.md"]

# What a page shows need not be of its language word for word; the tests read each block.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"Astakos Worker {__version__}"
html_extra_path = ["first"]
html_copy_source = False

# Links to headings as they are written for a page that is read by itself.
myst_heading_anchors = 4

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
# Docstrings say `name` for code.
default_role = "code"
