"""Pictures embedded in a page."""

from __future__ import annotations

import base64
from pathlib import Path

_MAX_BYTES = 4_000_000


def data_uri(path: Path) -> str | None:
    """Read a PNG or WebP file as a data URI; None if it is missing or too big."""
    if not path.is_file() or path.stat().st_size > _MAX_BYTES:
        return None
    kind = path.suffix.removeprefix(".")
    return f"data:image/{kind};base64," + base64.b64encode(path.read_bytes()).decode("ascii")
