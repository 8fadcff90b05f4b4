"""A scatter plot as a small inline SVG: a path for each kind, its dots lines of length zero.

Matplotlib would write about a hundred bytes for each point; this takes eight. Letters: N points.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_HALF, _MARGIN = 480, 20  # of a drawing 1000 wide


def scatter(
    places: NDArray[np.float32], kinds: Sequence[int], num_kinds: int, description: str
) -> str:
    """Return a drawing of points, each in the colour of its kind, the rarest kinds on top.

    Args:
        places: [N, 2], coordinates of the points, -1..1.
        kinds: Kind of each point, 0 to ``num_kinds`` - 1.
        num_kinds: Number of kinds; kind i gets the CSS class ``kind-i``, coloured by the page.
        description: Text for screen readers.

    Returns:
        An SVG element without ids, so that a page may hold several.
    """
    middle = _HALF + _MARGIN
    across = np.rint(middle + _HALF * places[:, 0]).astype(int)
    down = np.rint(middle - _HALF * places[:, 1]).astype(int)
    members = np.asarray(kinds)
    paths = []
    # SVG paints in order: frequent kinds first, so that they don't cover the rare ones.
    for kind in np.argsort(-np.bincount(members, minlength=num_kinds), kind="stable"):
        own = np.flatnonzero(members == kind)
        if len(own):
            dots = "".join(f"M{across[i]} {down[i]}h0" for i in own)
            paths.append(f'<path class="kind-{kind}" d="{dots}"/>')
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    side = 2 * middle
    return (
        f'<svg class="map" viewBox="0 0 {side} {side}" role="img" aria-label="{label}">'
        f'<rect x="1" y="1" width="{side - 2}" height="{side - 2}"/>{"".join(paths)}</svg>'
    )
