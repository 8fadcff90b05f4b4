"""Whether the head in a checkpoint is that of a pretext task: its rows are no classes of images.

The rows of RotationPred are four rotations, those of DeepCluster and ODC clusters. In the file they
have the names of a classifier's rows, and beside them stand the classes of the images, which the
pre-training never read: equal numbers and names say nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from .load import meta_of
from .stored_config import class_in, model_entries, type_in

#: Parts of models that no classifier has.
_PARTS = ("memory_bank", "neck")


def pretext_task(
    state: Mapping[str, Any], names: Iterable[str], target: Iterable[str]
) -> str | None:
    """Return what pre-trained the model in a checkpoint; None where it is a classifier.

    The type of the model in the stored config decides; where it is neither a classifier nor a
    method with a ``family`` (a module of the user), or not known, the names of the weights do.

    Args:
        state: The content of the file.
        names: Names of its weights, without a prefix of the whole model.
        target: Names of the weights of the classifier that is to be filled.

    Returns:
        The type of the model, or such words as ``a model with a neck``.
    """
    model = model_entries(meta_of(state).get("config"))
    known = class_in(model)
    if getattr(known, "reads_classes", False):
        return None
    if hasattr(known, "family"):
        return type_in(model)
    parts = {name.partition(".")[0] for name in names}
    own = {name.partition(".")[0] for name in target}
    found = [part for part in _PARTS if part in parts - own]
    return f"a model with a {found[0]}" if found else None
