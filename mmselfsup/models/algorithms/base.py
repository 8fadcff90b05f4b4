"""What every algorithm has in common: how it is called, and how its losses become one."""

from abc import ABCMeta, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn

from ...utils.device import batch_size
from ..utils.ema import copy_to_targets, update_targets
from ..utils.precision import mixed_precision

Losses = Mapping[str, Tensor | Sequence[Tensor]]


def parse_losses(losses: Losses) -> tuple[Tensor, "OrderedDict[str, Tensor]"]:
    """Add up what a forward pass returned.

    Args:
        losses: Tensors, or lists of tensors to be added. Names with ``loss`` in them are
            minimised, the others (accuracies) only logged.

    Returns:
        The sum of the losses, and all values as detached tensors of shape []. They stay on the
        device: reading a number there would make every step wait for it.

    Raises:
        TypeError: A value is no tensor and no list of tensors.
    """
    values: OrderedDict[str, Tensor] = OrderedDict()
    for name, value in losses.items():
        if isinstance(value, Tensor):
            values[name] = value.mean()
        elif isinstance(value, list | tuple):
            values[name] = torch.stack([part.mean() for part in value]).sum()
        else:
            raise TypeError(f"{name!r} must be a tensor or a list of tensors, got {value!r}")
    parts = [value for name, value in values.items() if "loss" in name]
    if not parts:
        raise ValueError(f"no name with 'loss' in it among {sorted(values)}")
    loss = torch.stack(parts).sum() if len(parts) > 1 else parts[0]
    values["loss"] = loss
    return loss, OrderedDict((name, value.detach()) for name, value in values.items())


class BaseModel(BaseModule, metaclass=ABCMeta):
    """Base of the algorithms.

    A subclass writes ``extract_feat`` and ``forward_train``, and ``forward_test`` where there is
    something to test. Keys of the batch that a method has no use for arrive in ``**kwargs``.
    A method with a momentum encoder also sets ``momentum``, writes ``momentum_pairs`` and calls
    ``start_targets`` at the end of its constructor.

    Args:
        init_cfg: How weights are initialised, in mmcv's format.
    """

    backbone: nn.Module
    neck: Any
    head: Any
    #: Share of its old weights that a target keeps in an update, 0 to 1.
    momentum: float

    def __init__(self, init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg)
        # mmcv's Fp16OptimizerHook sets this on every module that has it.
        self.fp16_enabled = False
        # Half precision of the forward pass, as the config's ``amp`` chose it.
        self.amp_dtype: torch.dtype | None = None

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """(online, target) modules whose targets follow by a moving average; none by default."""
        return []

    def init_weights(self) -> None:
        """Initialise the weights, then start every target as a copy of its online module."""
        super().init_weights()
        self.start_targets()

    def start_targets(self) -> None:
        """Make the targets equal to their online modules and stop their gradients."""
        copy_to_targets(self.momentum_pairs())

    def holds_targets(self, names: Iterable[str]) -> bool:
        """Whether any of the weights called ``names`` belongs to a target."""
        filled = set(names)
        targets = [target for _, target in self.momentum_pairs()]
        ids = {id(p) for target in targets for p in target.parameters()}
        return any(id(p) in ids for name, p in self.named_parameters() if name in filled)

    def momentum_update(self) -> None:
        """Move the targets towards their online modules by ``self.momentum``."""
        update_targets(self.momentum_pairs(), self.momentum)

    @property
    def with_neck(self) -> bool:
        """Whether there is a neck."""
        return getattr(self, "neck", None) is not None

    @property
    def with_head(self) -> bool:
        """Whether there is a head."""
        return getattr(self, "head", None) is not None

    @abstractmethod
    def extract_feat(self, img: Tensor) -> Sequence[Any]:
        """Features of the backbone, one entry for each of its ``out_indices``."""

    @abstractmethod
    def forward_train(self, img: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Losses of one batch."""

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Scores of one batch, on the CPU."""
        raise NotImplementedError(f"{type(self).__name__} has nothing to test")

    def forward(self, img: Any, mode: str = "train", **kwargs: Any) -> Any:
        """Call one of the three passes.

        Args:
            img: Images [N, C, H, W], or a list of views of that shape.
            mode: ``'train'`` gives losses, ``'test'`` scores, ``'extract'`` features.
            **kwargs: The rest of the batch.

        Raises:
            ValueError: An unknown mode.
        """
        like = img if isinstance(img, Tensor) else img[0]
        with mixed_precision(self.fp16_enabled, like, self.amp_dtype):
            if mode == "train":
                return self.forward_train(img, **kwargs)
            if mode == "test":
                return self.forward_test(img, **kwargs)
            if mode == "extract":
                return self.extract_feat(img)
        raise ValueError(f"mode must be 'train', 'test' or 'extract', got {mode!r}")

    def _parse_losses(self, losses: Losses) -> tuple[Tensor, "OrderedDict[str, Tensor]"]:
        return parse_losses(losses)

    def train_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        """Forward pass of one iteration; the optimizer hook does the rest.

        Args:
            data: A batch, passed to ``forward``.
            optimizer: Unused; mmcv's runners pass it.

        Returns:
            ``loss`` to call ``backward`` on, ``log_vars`` (tensors), ``num_samples``.
        """
        loss, log_vars = self._parse_losses(self(**data))
        return {"loss": loss, "log_vars": log_vars, "num_samples": batch_size(data["img"])}

    def val_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        """As ``train_step``, for a ``('val', n)`` entry of the workflow."""
        return self.train_step(data, optimizer)
