"""The report of a study: one HTML file with everything in it, readable anywhere, printable.

The page is a frame around its sections. Each section is a function that reads what it shows from
the results and from the study's folder, and a template that nothing else fills. To add one, write
its function and its template, and name the function in ``SECTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmselfsup.utils.files import atomic_write_text

from ..records import Results, read_results
from .curriculum_section import curriculum_section
from .external_section import external_section
from .features_section import features_section
from .html import Section, render, render_section
from .labels_section import labels_section
from .method_section import method_section
from .occlusion_section import occlusion_section
from .operating_section import operating_section
from .result_section import result_section
from .starts_section import starts_section
from .summary_section import names_of_pretrainings, summary_section
from .training_section import training_section
from .words import licence, words_of

#: The sections in the order of the page, as functions of the study's folder and its results; None
#: where a study has nothing to show.
SECTIONS: tuple[Callable[[Path, Results], Section | None], ...] = (
    summary_section,
    result_section,
    operating_section,
    starts_section,
    labels_section,
    external_section,
    curriculum_section,
    occlusion_section,
    training_section,
    features_section,
    method_section,
)


def page_title(results: Results) -> str:
    """Return what the page compares, for the title of its window."""
    names = names_of_pretrainings(results)
    return names if results.arms else f"{names} against from scratch"


def write_report(work_dir: Path) -> Path:
    """Build ``report.html`` from ``results.json`` and the logs of a study.

    Args:
        work_dir: Work directory of the study.

    Returns:
        The path of the report.

    Raises:
        UserError: There is no results.json, or the report can't be written.
    """
    with words_of(work_dir):
        return _write(work_dir)


def _write(work_dir: Path) -> Path:
    """Build the page with the words that are set."""
    results = read_results(work_dir / "results.json")
    made = [section(work_dir, results) for section in SECTIONS]
    sections = [section for section in made if section is not None]
    context = {
        "title": page_title(results),
        "stylesheets": sorted({section.css for section in sections if section.css}),
        "sections": [render_section(section) for section in sections],
        "version": results.study.version,
        # pictures of the data are on the page
        "licence": "" if results.study.demo else licence(),
    }
    path = work_dir / "report.html"
    atomic_write_text(path, render("page.html.j2", context))
    return path
