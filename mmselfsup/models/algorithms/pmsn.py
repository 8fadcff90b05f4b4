"""PMSN: Assran et al. 2023, "The Hidden Uniform Cluster Prior in Self-Supervised Learning"."""

from ..builder import ALGORITHMS
from .msn import MSN


@ALGORITHMS.register_module()
class PMSN(MSN):
    """MSN for images whose classes have a long tail: prototypes are used as a power law says.

    Args:
        backbone: Config of the encoder, ``MSNViT``.
        neck: Config of the projection; required.
        head: Config of prototypes and loss, ``MSNHead`` with ``power_law_exponent`` above 0;
            required.
        **kwargs: Other arguments of ``MSN``.

    Raises:
        ArgumentError: See ``MSN``.
    """

    title = "PMSN"
