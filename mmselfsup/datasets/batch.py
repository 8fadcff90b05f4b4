"""The keys of a batch: shape, dtype and meaning of their values, and the datasets that set them.

A dataset returns a dict for one sample; the loader stacks N of them. Algorithms take the keys that
they need by name and ignore the others.
"""

from typing import NamedTuple


class BatchKey(NamedTuple):
    """One row of the table. Letters: N batch, D width, V views, H and W pixels, P patches."""

    shape: str
    dtype: str
    meaning: str
    made_by: tuple[str, ...]


BATCH_KEYS: dict[str, BatchKey] = {
    "img": BatchKey(
        "[N, 3, H, W]; [N, 4, 3, H, W] rotations; [N, P, 6, H, W] pairs of patches; or a list: V "
        "views, or an image and its mask, or V such pairs",
        "float32 (uint8 with prefetch)",
        "what the pipeline makes of the image",
        (
            "SingleViewDataset",
            "MultiViewDataset",
            "DeepClusterDataset",
            "RelativeLocDataset",
            "RotationPredDataset",
        ),
    ),
    "label": BatchKey(
        "[N]; [N, L] where an image has L labels",
        "int64",
        "class of the image, -1 if not known",
        ("SingleViewDataset",),
    ),
    "idx": BatchKey(
        "[N]",
        "int64",
        "index of the sample in its dataset",
        ("SingleViewDataset", "MultiViewDataset", "DeepClusterDataset"),
    ),
    "patient": BatchKey(
        "[N, D]",
        "float32",
        "age, site and sex, as `mmselfsup.utils.patients` encodes them; only where the data source "
        "has `patients`",
        ("SingleViewDataset",),
    ),
    "pseudo_label": BatchKey("[N]", "int64", "cluster of the image", ("DeepClusterDataset",)),
    "patch_label": BatchKey(
        "[N, P]", "int64", "position of a patch around the centre, 0..7", ("RelativeLocDataset",)
    ),
    "rot_label": BatchKey(
        "[N, 4]", "int64", "quarter turns of each copy, 0..3", ("RotationPredDataset",)
    ),
}
