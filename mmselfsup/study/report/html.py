"""The templates of the report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def render(name: str, context: Mapping[str, Any]) -> str:
    """Fill a template of this folder; text is escaped, a missing name is an error."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    env = Environment(
        loader=PackageLoader("mmselfsup.study", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return env.get_template(name).render(context)
