"""Settings of the documentation's site, for Sphinx: ``make docs`` builds it.

The pages are the Markdown files of this folder, as they are read on a code host; the reference is
made from the docstrings of every public module, so no list of names has to be kept.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from mmselfsup.version import __version__  # noqa: E402

project = "mmselfsup"
author = "the authors of mmselfsup"
copyright = "Apache-2.0"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.apidoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
]

# Links between pages and anchors are those of the Markdown files.
myst_heading_anchors = 4
exclude_patterns = ["reference/modules.rst"]

apidoc_modules = [
    dict(
        path=str(ROOT / "mmselfsup"),
        destination="reference",
        separate_modules=True,
        module_first=True,
        automodule_options={"members", "show-inheritance"},
    )
]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
# A class is described where it is written, not where a package exports it.
autodoc_default_options = {"ignore-module-all": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # fields of dataclasses are members as well
napoleon_attr_annotations = False
python_maximum_signature_line_length = 80
# Two modules may have a class of one name; an annotation then links to the first.
suppress_warnings = ["ref.python"]

html_theme = "furo"
html_title = f"mmselfsup {__version__}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_copyright = False
copybutton_exclude = ".linenos, .gp, .go"
