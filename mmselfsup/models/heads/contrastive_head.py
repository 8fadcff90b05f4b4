"""The contrastive loss on similarities. Letters: N anchors, K negatives of an anchor."""

from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import ArgumentError

from ..builder import HEADS
from ..losses import check_temperature, decoupled_info_nce, info_nce, mises_fisher_weights


@HEADS.register_module()
class ContrastiveHead(BaseModule):
    """InfoNCE with a temperature; see ``info_nce`` for the equation.

    Args:
        temperature: Divisor of the similarities, above 0.
        decoupled: Leave the positive out of the denominator (DCL, Yeh et al. 2022), see
            ``decoupled_info_nce``.
        sigma: Concentration of the weights of the positives (DCLW), see ``mises_fisher_weights``;
            the paper has 0.5. None for equal weights; only with ``decoupled``.

    Raises:
        ArgumentError: The temperature or ``sigma`` is not above 0, or ``sigma`` is given without
            ``decoupled``.
    """

    def __init__(
        self, temperature: float = 0.1, decoupled: bool = False, sigma: float | None = None
    ) -> None:
        super().__init__()
        if sigma is not None and (sigma <= 0 or not decoupled):
            raise ArgumentError(f"sigma must be above 0, with decoupled=True; got sigma={sigma}")
        self.temperature = check_temperature(temperature)
        self.decoupled, self.sigma = decoupled, sigma
        #: Whether the loss is the mean of a loss of each anchor, which depends on no other anchor.
        self.mean_of_anchors = sigma is None

    def forward(self, pos: Tensor, neg: Tensor) -> dict[str, Tensor]:
        """Return ``loss``, a float32 scalar: the mean over the anchors; at least 0 for InfoNCE.

        Args:
            pos: Similarity of each anchor to its positive, [N, 1].
            neg: Similarities of each anchor to its negatives, [N, K].
        """
        if not self.decoupled:
            return {"loss": info_nce(pos, neg, self.temperature)}
        weights = None if self.sigma is None else mises_fisher_weights(pos, self.sigma)
        return {"loss": decoupled_info_nce(pos, neg, self.temperature, weights)}
