"""Find out how the images of a data set are normalised."""

from typing import Any

from torchvision.transforms import Normalize

# Where data sets and pipelines keep what is inside them.
_INSIDE = ("dataset", "datasets", "pipeline", "pipelines", "trans", "transforms")


def find_normalize(thing: Any, depth: int = 8) -> Normalize | None:
    """The first ``Normalize`` in a data set's pipelines, None where there is none."""
    if isinstance(thing, Normalize) or depth == 0:
        return thing if isinstance(thing, Normalize) else None
    parts: list[Any] = list(thing) if isinstance(thing, list | tuple) else []
    # Wrappers pass attributes on to what is inside; a step inwards each time still ends.
    parts += [getattr(thing, name) for name in _INSIDE if hasattr(thing, name)]
    found = (find_normalize(part, depth - 1) for part in parts)
    return next((normalize for normalize in found if normalize is not None), None)
