"""The vocabulary of a batch: which keys there are, what stands in them, and who makes them.

A dataset yields a dict for one sample; the loader stacks N of them. Methods take the keys that
they need by name and let the others pass.
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
        "views, or an image and its mask",
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
        "place of the sample in its dataset",
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
        "[N, P]", "int64", "where a patch lies beside the centre, 0..7", ("RelativeLocDataset",)
    ),
    "rot_label": BatchKey(
        "[N, 4]", "int64", "quarter turns of each copy, 0..3", ("RotationPredDataset",)
    ),
}
