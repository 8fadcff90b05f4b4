"""VIbCReg: Lee and Aune 2021, "VIbCReg: Variance-Invariance-better-Covariance ..."."""

from ..builder import ALGORITHMS
from .vicreg import VICReg


@ALGORITHMS.register_module()
class VIbCReg(VICReg):
    """VICReg with whitened projections and a covariance term that does not depend on their scale.

    Args:
        backbone: Config of the encoder.
        neck: Config of the projector; required.
        head: Config of the loss, ``VIbCRegHead``; required.
        init_cfg: See ``BaseModel``.

    Raises:
        ArgumentError: The neck or the head is missing.
    """

    title = "VIbCReg"
