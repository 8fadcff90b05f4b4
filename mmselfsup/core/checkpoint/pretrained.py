"""``init_cfg=dict(type='Pretrained', checkpoint=...)`` by this project's loading of weights."""

from typing import Any

from mmcv.cnn import INITIALIZERS
from mmcv.cnn.utils.weight_init import update_init_info
from torch import nn

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.logger import get_root_logger

from .class_rows import of_start
from .load import load_state, meta_of
from .same_network import BACKBONE
from .stored_weights import weights_below, weights_of
from .weights import load_weights


@INITIALIZERS.register_module(name="Pretrained", force=True)
class PretrainedInit:
    """Initialise a module, such as a backbone, with the weights of a file; see ``load_weights``.

    mmcv's class of this name finds a backbone under its own names only: with a checkpoint of a
    whole pre-training it leaves the backbone at random and says so between other warnings.

    Args:
        checkpoint: File or address of the weights.
        prefix: Take the weights whose names begin with it, such as ``backbone.``; None to search.
        map_location: Not used, an argument of mmcv.
        complete: Whether a weight that is not filled is an error, not a warning.
        partial: Whether a part of the network, or a deeper one, is wanted; see ``load_weights``.
    """

    def __init__(
        self,
        checkpoint: str,
        prefix: str | None = None,
        map_location: Any = None,
        complete: bool = False,
        partial: bool = False,
    ) -> None:
        self.checkpoint = checkpoint
        self.prefix = prefix
        self.complete = complete
        self.partial = partial

    def __call__(self, module: nn.Module) -> None:
        """Load the weights into ``module`` and log what fitted.

        Raises:
            UserError: See ``load_weights``, no name begins with the prefix, or ``complete`` and a
                weight is missing.
        """
        state = load_state(self.checkpoint)
        meta = meta_of(state)
        if self.prefix is not None:
            start = self.prefix.rstrip(".") + "."
            below = weights_below(weights_of(state, self.checkpoint), start)
            if not below:
                raise UserError(f"{self.checkpoint}: no weight begins with init_cfg.prefix={start}")
            # The config in the file describes its backbone, not such parts as a teacher.
            kept = {k: v for k, v in meta.items() if k != "config" or start == BACKBONE}
            state = {"state_dict": below, "meta": kept}
        logger = get_root_logger()
        report = load_weights(
            module,
            self.checkpoint,
            logger,
            state=state,
            partial=self.partial,
            classes=of_start(),
        )
        if self.complete and not report.complete:
            others = [str(mismatch) for mismatch in report.mismatched]
            raise UserError(
                f"{self.checkpoint} fills {report.backbone_matched} of {report.backbone_total} "
                f"weights of the network, without {', '.join([*report.missing, *others][:3])}: "
                "name the config of its own network"
            )
        if hasattr(module, "_params_init_info"):
            update_init_info(module, init_info=f"Pretrained: load from {self.checkpoint}")
