"""VISReg: Wu, Balestriero, Levine 2026, "VISReg: Variance-Invariance-Sketching Regularization"."""

from ..builder import ALGORITHMS
from .lejepa import LeJEPA


@ALGORITHMS.register_module()
class VISReg(LeJEPA):
    """LeJEPA whose regulariser treats scale and shape of the projections apart.

    The gradient of the scale's term stays constant where all projections become equal; that of
    LeJEPA's statistic vanishes there.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projection; required.
        head: Config of the loss, ``VISRegHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "VISReg"
