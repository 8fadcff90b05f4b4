"""The base class of all algorithms: how they are called, and how their losses are added up.

Letters: N images of this process, C channels, H, W size of an image.
"""

from abc import ABCMeta, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.device import batch_size, first_tensor
from mmselfsup.utils.errors import ArgumentError

from ..builder import build_backbone
from ..utils.ema import copy_to_targets, update_targets
from ..utils.needs import Needs
from ..utils.precision import mixed_precision

Losses = Mapping[str, Tensor | Sequence[Tensor]]


def parse_losses(losses: Losses) -> tuple[Tensor, "OrderedDict[str, Tensor]"]:
    """Add up the losses that a forward pass returned.

    Args:
        losses: Tensors, or lists of tensors to be added; each tensor is replaced by its mean.
            Names that contain ``loss`` are minimised, the others (accuracies) only logged.

    Returns:
        The sum of the losses (shape [], with gradient), and all values as detached tensors of
        shape [], the sum among them as ``loss``. They stay on the device: converting them to
        Python numbers would make every iteration wait for the device.

    Raises:
        TypeError: A value is no tensor and no list of tensors.
        ValueError: No name contains ``loss``.
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
    # A single loss stays as it is: stacking it would only cost two kernels in every iteration.
    loss = torch.stack(parts).sum() if len(parts) > 1 else parts[0]
    values["loss"] = loss
    return loss, OrderedDict((name, value.detach()) for name, value in values.items())


def require(owner: object, **parts: dict | None) -> list[dict]:
    """Return the configs of an algorithm's parts, in order, if none is missing.

    Args:
        owner: The algorithm; the error names its class.
        **parts: Configs by the names of the arguments, such as ``neck=neck, head=head``.

    Raises:
        ArgumentError: One is None.
    """
    given = [config for config in parts.values() if config is not None]
    if len(given) < len(parts):
        needed = " and ".join(f"a {name}" for name in parts)
        got = ", ".join(f"{name}={config}" for name, config in parts.items())
        raise ArgumentError(f"{type(owner).__name__} needs {needed}, got {got}")
    return given


def build_masking_backbone(config: dict[str, Any] | None, owner: object, example: str) -> nn.Module:
    """Build the backbone of a method whose backbone hides patches itself.

    Args:
        config: Config of the backbone; required.
        owner: The algorithm; the error names its class.
        example: The type of a backbone that can do it.

    Raises:
        ArgumentError: The backbone is missing, or of another library, which sees whole images only.
    """
    (config,) = require(owner, backbone=config)
    kind = str(config.get("type"))
    if kind.partition(".")[0] in ("timm", "torchvision") or kind.endswith("TIMMBackbone"):
        raise ArgumentError(
            f"{type(owner).__name__} hides patches inside its backbone, and {kind} sees whole "
            f"images: take {example}, whose start weights may come from such a model (load_from)"
        )
    return build_backbone(config)


#: Kinds of methods, by what the loss compares.
FAMILIES = (
    "contrastive",
    "self-distillation",
    "redundancy reduction",
    "clustering",
    "masked modelling",
    "pretext task",
    "distillation",
)


#: See ``BaseModel.not_sharded``.
NECK_OUTSIDE = "clusters by a neck that is called outside the forward pass, where weights are parts"


class BaseModel(BaseModule, metaclass=ABCMeta):
    """The base class of the algorithms.

    A subclass sets ``backbone`` and implements ``forward_train``, and ``forward_test`` if it has
    scores to evaluate. Keys of the batch that a method doesn't use arrive in ``**kwargs``.
    A method with a momentum encoder also sets ``momentum``, implements ``momentum_pairs`` and
    calls ``start_targets`` at the end of its constructor. Where its paper evaluates the momentum
    encoder (DINO), it says ``evaluates = "target"``.

    Under mixed precision features may be float16 or bfloat16, while losses are float32 (see
    ``full_precision``).

    Args:
        init_cfg: How weights are initialised, in mmcv's format.
    """

    #: Name of the method as papers write it, a plain string; reports read it from the source.
    title: ClassVar[str]
    #: What kind of method it is, one of ``FAMILIES``.
    family: ClassVar[str]
    #: Folder of its configs, a plain string, where it isn't the name of the class.
    folder: ClassVar[str]
    #: Whether the neck projects the features of whole images, so that monitors can look at what it
    #: makes of them; False for a decoder.
    neck_projects: ClassVar[bool] = True
    #: Whose backbone becomes ``backbone.pth`` and is monitored: that of the ``"online"`` network
    #: (the student), or of its ``"target"`` (the teacher), where ``momentum_pairs`` gives one.
    evaluates: ClassVar[str] = "online"
    #: Names of the hooks in ``custom_hooks`` without which the method is another one: a target that
    #: never moves, pseudo-labels that never change.
    needed_hooks: ClassVar[tuple[str, ...]] = ()
    #: What the method needs by published experience, see ``auto_settings``.
    needs: ClassVar[Needs] = Needs()
    #: Why its parameters can't be sharded (``sharding`` of a config), as the end of a sentence that
    #: begins with the name of the method; empty where they can.
    not_sharded: ClassVar[str] = ""
    backbone: nn.Module
    neck: Any
    head: Any
    #: Coefficient of the target's old weights in an update, 0 to 1.
    momentum: float
    #: Whether this batch is the first one after a step of the optimizer. The optimizer hook sets it
    #: where a step takes several batches; targets that move in the forward pass move only then.
    starts_step: bool = True

    def __init__(self, init_cfg: dict | list[dict] | None = None) -> None:
        super().__init__(init_cfg)
        # mmcv's Fp16OptimizerHook sets it to True on every module that has this attribute.
        self.fp16_enabled = False
        # The half precision of the forward pass, set from the config's ``amp``.
        self.amp_dtype: torch.dtype | None = None

    def momentum_pairs(self) -> list[tuple[nn.Module, nn.Module]]:
        """Return the (online, target) modules of the moving average; none by default."""
        return []

    def init_weights(self) -> None:
        """Initialise the weights, then make every target a copy of its online module."""
        super().init_weights()
        self.start_targets()

    def start_targets(self) -> None:
        """Make the targets equal to their online modules and stop their gradients."""
        copy_to_targets(self.momentum_pairs())

    def holds_targets(self, names: Iterable[str]) -> bool:
        """Return whether any of the weights called ``names`` belongs to a target."""
        # Compared by identity: ``momentum_pairs`` gives modules, not their names in the model.
        filled = set(names)
        targets = [target for _, target in self.momentum_pairs()]
        ids = {id(p) for target in targets for p in target.parameters()}
        return any(id(p) in ids for name, p in self.named_parameters() if name in filled)

    def evaluated(self, part: str = "backbone") -> nn.Module | None:
        """Return the backbone (or ``"neck"``) that is exported and monitored; None without one.

        A method that has another rule than ``evaluates`` overrides this.

        Raises:
            ArgumentError: The class evaluates the target, and the backbone has none.
        """
        online = getattr(self, part, None)
        if self.evaluates == "online" or not isinstance(online, nn.Module):
            return online
        for network, target in self.momentum_pairs():
            for name, module in network.named_modules():
                if module is online:
                    return target.get_submodule(name)
        if part != "backbone":
            return None
        raise ArgumentError(
            f"{type(self).__name__}.evaluates is {self.evaluates!r}, and no pair of "
            "momentum_pairs holds its backbone: use 'online'"
        )

    def evaluated_features(self, img: Tensor) -> Sequence[Any]:
        """Return the features of images [N, C, H, W] by the backbone that is monitored."""
        backbone = self.evaluated()
        if backbone is None or backbone is self.backbone:
            return self.extract_feat(img)
        return backbone(img)

    def momentum_update(self) -> None:
        """Move the targets towards their online modules, by one step with ``self.momentum``.

        Raises:
            ValueError: The momentum lies outside 0..1.
        """
        update_targets(self.momentum_pairs(), self.momentum)

    def momentum_update_in_forward(self) -> None:
        """Move the targets in a forward pass: once a step of the optimizer, in training only."""
        if self.training and self.starts_step:
            self.momentum_update()

    @property
    def with_neck(self) -> bool:
        """Return whether the algorithm has a neck."""
        return getattr(self, "neck", None) is not None

    @property
    def with_head(self) -> bool:
        """Return whether the algorithm has a head."""
        return getattr(self, "head", None) is not None

    def extract_feat(self, img: Tensor) -> Sequence[Any]:
        """Return the features of the backbone, one entry for each of its ``out_indices``.

        Args:
            img: Images [N, C, H, W], normalised as in the config's pipeline.
        """
        return self.backbone(img)

    def count_on_host(self, img: Sequence[Any]) -> dict[str, int]:
        """Return the numbers that ``forward_train`` needs to know of a batch beside the batch.

        The runner calls it before the batch goes to the device and passes them by name: to read
        them there would make the host wait for it. None by default.

        Args:
            img: ``img`` of the batch where it is a list, on the CPU; on the device where its
                transforms ran there.
        """
        return {}

    @abstractmethod
    def forward_train(self, img: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Return the losses of one batch.

        Returns:
            Scalars, or tensors whose mean is meant. Names that contain ``loss`` are added up and
            minimised, the others only logged.
        """

    def forward_test(self, img: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        """Return the scores of one batch: names to tensors [N, ...], float32, on the CPU.

        Raises:
            NotImplementedError: The method has no scores.
        """
        raise NotImplementedError(f"{type(self).__name__} has nothing to test")

    def forward(self, img: Any, mode: str = "train", **kwargs: Any) -> Any:
        """Run one of the three passes.

        Args:
            img: Images [N, C, H, W], a list of views of that shape, or a list of (image, mask)
                pairs: views in any nesting of lists and tuples.
            mode: ``'train'`` for ``forward_train``, ``'test'`` for ``forward_test``, ``'extract'``
                for ``evaluated_features``.
            **kwargs: The rest of the batch.

        Returns:
            Losses, scores or features.

        Raises:
            ValueError: An unknown mode.
        """
        with mixed_precision(self.fp16_enabled, first_tensor(img), self.amp_dtype):
            if mode == "train":
                return self.forward_train(img, **kwargs)
            if mode == "test":
                return self.forward_test(img, **kwargs)
            if mode == "extract":
                return self.evaluated_features(img)
        raise ValueError(f"mode must be 'train', 'test' or 'extract', got {mode!r}")

    def _parse_losses(self, losses: Losses) -> tuple[Tensor, "OrderedDict[str, Tensor]"]:
        return parse_losses(losses)

    def train_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        """Run the forward pass of one iteration; the optimizer hook does the rest.

        Args:
            data: A batch, passed to ``forward``.
            optimizer: Unused; mmcv's runners pass it.

        Returns:
            ``loss`` (a scalar) to call ``backward`` on, ``log_vars`` (see ``parse_losses``), and
            ``num_samples``, the N images of this process.
        """
        loss, log_vars = self._parse_losses(self(**data))
        return {"loss": loss, "log_vars": log_vars, "num_samples": batch_size(data["img"])}

    def val_step(self, data: dict[str, Any], optimizer: Any = None) -> dict[str, Any]:
        """Run ``train_step`` for a ``('val', n)`` entry of the workflow."""
        return self.train_step(data, optimizer)
