"""What HTML pages of the study are made of: templates, sections, pictures and figures.

Everything is embedded, so that a page is one file: pictures as data URIs, figures of matplotlib as
SVG. Figures are drawn in placeholder colours, which ``to_svg`` replaces by CSS variables; so they
follow the page's light or dark scheme.
"""

from __future__ import annotations

import base64
import functools
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmselfsup.utils.plurals import counted, plural

from ..records import RunRecord
from ..settings import SCRATCH
from .words import words

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup  # only for pages; the terminal needs none
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MAX_BYTES = 4_000_000
#: Colours as drawn (each one unique) and the CSS variables that replace them.
INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
SCRATCH_COLOR = "#050505"
SSL_COLORS = tuple("#" + f"{number:02x}" * 3 for number in range(6, 14))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    SCRATCH_COLOR: "var(--scratch)",
    **{color: f"var(--ssl-{i})" for i, color in enumerate(SSL_COLORS, 1)},
}
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it scales, can be found and read aloud
    "font.size": 9.5,
    "axes.titlesize": 9.5,
    "axes.linewidth": 0.7,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
    "legend.frameon": False,
    "legend.borderaxespad": 0.0,
    "lines.linewidth": 1.6,
}
WIDTH_IN = 4.6  # about half a column of the report, the whole width of a phone


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        template: Name of its template.
        context: What the template shows, all of it: a section shares no names with the page.
        css: Name of its stylesheet; None where that of the page is enough.
    """

    template: str
    context: Mapping[str, Any]
    css: str | None = None


def render_section(section: Section) -> Markup:
    """Fill the template of a section; the text is marked as HTML, for the template of a page."""
    from markupsafe import Markup  # only for pages; the terminal needs none

    return Markup(render(section.template, section.context))  # render has escaped its texts


def render(name: str, context: Mapping[str, Any]) -> str:
    """Fill a template of this folder; text is escaped, a missing name is an error."""
    about = {"words": words(), "data_name": words().name}
    return _environment().get_template(name).render({**about, **context})


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only for pages

    env = Environment(
        loader=PackageLoader("mmselfsup.study.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(counted=counted, plural=plural)
    return env


def data_uri(path: Path) -> str | None:
    """Read a PNG or WebP file as a data URI; None if it is missing or too big."""
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return None
    kind = path.suffix.removeprefix(".")
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode("ascii")


@contextmanager
def panel(height: float = 2.9, width: float = WIDTH_IN) -> Iterator[tuple[Figure, Axes]]:
    """Yield a figure with one panel in the report's style; sizes in inches."""
    # Imported where it is used: matplotlib is slow to load.
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        # Without pyplot, which would keep every figure in memory.
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        yield figure, figure.add_subplot()


def to_svg(figure: Figure, name: str, description: str) -> str:
    """Turn a figure into an inline SVG element.

    Args:
        figure: Drawn with the colours of this file, within ``panel``.
        name: Unique on the page: ids inside are derived from it.
        description: Text for screen readers.
    """
    # As in ``panel``.
    import matplotlib as mpl

    buffer = io.StringIO()
    # The salt makes ids reproducible, and different between the figures of a page.
    with mpl.rc_context({"svg.hashsalt": name, "svg.id": None}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Inside HTML the namespaces are implied, and CSS sets the size.
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version|width|height)="[^"]*"', "", text, count=5)
    text = re.sub(r"font: ([^;\"]*?px) [^;\"]*", r"font-size: \1", text)  # the page's own font
    # Ids that nothing refers to are removed: they would only enlarge the page.
    used = set(re.findall(r"#(\w+)", text))
    text = re.sub(r' id="([^"]*)"', lambda m: m.group(0) if m.group(1) in used else "", text)
    for color, variable in _VARIABLES.items():
        text = text.replace(color, variable)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def arm_colors(runs: Iterable[RunRecord]) -> dict[str, str]:
    """Return the colour of each arm of a page; beyond eight pre-trainings they repeat.

    Args:
        runs: All runs of the page, also where a section shows only some arms: an arm has one
            colour on a page.
    """
    others = dict.fromkeys(run.arm for run in runs if run.arm != SCRATCH)
    colors = {arm: SSL_COLORS[i % len(SSL_COLORS)] for i, arm in enumerate(others)}
    return {SCRATCH: SCRATCH_COLOR, **colors}


def css_colors(colors: Mapping[str, str]) -> dict[str, str]:
    """Return the CSS colours that replace those which the arms are drawn in."""
    return {arm: _VARIABLES[color] for arm, color in colors.items()}
