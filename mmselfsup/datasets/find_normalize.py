"""The search for the normalisation of a data set's images."""

from typing import Any

from torchvision.transforms import Normalize

# Where data sets and pipelines keep what is inside them.
_INSIDE = ("dataset", "datasets", "pipeline", "pipelines", "trans", "transforms")


def find_normalize(thing: Any, depth: int = 8) -> Normalize | None:
    """Return the first ``Normalize`` in a data set's pipelines, or None."""
    if isinstance(thing, Normalize) or depth == 0:
        return thing if isinstance(thing, Normalize) else None
    parts: list[Any] = list(thing) if isinstance(thing, list | tuple) else []
    # Wrappers pass attributes on to their inner part, so a part may be visited twice; the limit on
    # the depth guarantees an end.
    parts += [getattr(thing, name) for name in _INSIDE if hasattr(thing, name)]
    candidates = (find_normalize(part, depth - 1) for part in parts)
    return next((normalize for normalize in candidates if normalize is not None), None)
