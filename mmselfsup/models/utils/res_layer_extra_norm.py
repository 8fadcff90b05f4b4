"""The last stage of a ResNet as a shared head of mmdet's detectors, with a normalisation after it.

He et al. 2020 (MoCo), section 4.2: features of self-supervised networks have other scales than
those of supervised ones; with the C4 backbone a normalisation after the last stage makes them
comparable. mmdet is no dependency: without it, only using the class is an error.
"""

from importlib import import_module
from typing import Any

from mmcv.cnn import build_norm_layer
from mmcv.runner import BaseModule
from torch import Tensor

from mmselfsup.utils.errors import UserError

ResLayer: Any = None
try:  # no extra in pyproject.toml: mmdet needs mmcv-full, built for each machine
    SHARED_HEADS = import_module("mmdet.models.builder").SHARED_HEADS
    ResLayer = import_module("mmdet.models.roi_heads.shared_heads.res_layer").ResLayer
except ImportError:
    pass

if ResLayer is None:

    class ResLayerExtraNorm(BaseModule):
        """The class of the same name without mmdet.

        Raises:
            UserError: Always.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            raise UserError(
                "ResLayerExtraNorm is a part of mmdet's detectors: install mmdet 2.x to use it"
            )

else:

    @SHARED_HEADS.register_module()
    class ResLayerExtraNorm(ResLayer):  # type: ignore[no-redef]
        """``mmdet.ResLayer``, the last stage of a ResNet, followed by a normalisation.

        Args:
            *args: See ``mmdet.ResLayer``.
            **kwargs: See ``mmdet.ResLayer``; ``depth``, ``stage`` and ``norm_cfg`` count here too.
        """

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            depth = args[0] if args else kwargs["depth"]
            expansion = 4 if depth >= 50 else 1  # bottlenecks, basic blocks
            width = 64 * 2**self.stage * expansion
            # ``norm`` is the name in 0.x's checkpoints.
            self.add_module("norm", build_norm_layer(self.norm_cfg, width)[1])

        def forward(self, x: Tensor) -> Tensor:
            """Return the normalised features of the stage, [N, C, H, W]."""
            return self.norm(super().forward(x))
