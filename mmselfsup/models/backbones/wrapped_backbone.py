"""Backbones of other libraries: what ``timm.X`` and ``torchvision.X`` have in common.

A network of another library becomes a backbone of ours without a prefix in its names: a file of
that library has the names of the backbone, and ``backbone.pth`` is such a file. Letters: N images,
C channels, L tokens.
"""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from math import sqrt
from typing import Any, ClassVar

from mmcv.cnn import MODELS as MMCV_MODELS
from mmcv.cnn import initialize
from mmcv.runner import BaseModule
from mmcv.utils import Registry
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmselfsup.utils.batch_norm import count_batches_once
from mmselfsup.utils.errors import ArgumentError

from ..utils.backbone_parts import layer_numbers
from ..utils.sync_bn import convert_sync_bn

_NORMS = ("BN", "SyncBN")


class LibraryBackbone(BaseModule):
    """A network of another library that gives features as our backbones do.

    A map [N, C, H, W] for a convolutional network, and a map and the class token [N, C] for a
    transformer with one, for each of ``out_indices``. Distillation and register tokens belong to
    neither, and are left out.

    Args:
        net: The network, with random weights. Its parameters become those of the backbone.
        out_indices: Stages (blocks of a transformer) whose outputs are returned, from 0; negative
            ones count from the end. The last one is what the network itself pools.
        output_cls_token: Whether a class token is returned, where there is one.
        frozen_stages: The stem (0) and this many stages don't train; -1 freezes nothing.
        norm_eval: Whether batch normalisations keep their running statistics.
        norm_cfg: ``dict(type='SyncBN')`` joins the statistics of batch normalisations of all
            processes; None and ``dict(type='BN')`` leave them as they are.
        with_cp: Whether to compute activations again in the backward pass, which saves memory.
        pretrained: Whether ``init_weights`` takes the weights of the library.
        checkpoint_path: A file that ``init_weights`` loads, in any names that ``load_from`` knows.
        init_cfg: mmcv's initialization config, in place of ``checkpoint_path``.

    Raises:
        ArgumentError: An argument that doesn't fit the network.
    """

    #: Name of the library, as in ``timm.resnet18``.
    origin: ClassVar[str]
    #: Name of the model in the library.
    model_name: str

    def __init__(
        self,
        net: nn.Module,
        out_indices: int | Sequence[int] = -1,
        output_cls_token: bool = True,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict | None = None,
        with_cp: bool = False,
        pretrained: bool = False,
        checkpoint_path: str | None = None,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if checkpoint_path and init_cfg is None:
            init_cfg = {"type": "Pretrained", "checkpoint": checkpoint_path}
        super().__init__(init_cfg)
        _adopt(self, net)
        self.pretrained = pretrained
        self.output_cls_token = output_cls_token
        self.norm_eval = norm_eval
        self.num_stages = self.count_stages()
        wanted = [out_indices] if isinstance(out_indices, int) else list(out_indices)
        self.out_indices = tuple(i + self.num_stages if i < 0 else i for i in wanted)
        if not wanted or any(not 0 <= i < self.num_stages for i in self.out_indices):
            raise ArgumentError(
                f"out_indices must lie in {-self.num_stages}..{self.num_stages - 1}, got {wanted}"
            )
        self._set_norms(norm_cfg)
        self.with_cp = with_cp
        if with_cp:
            self.save_memory()
            count_batches_once(self)
        self._freeze_head()
        self._freeze_stages(frozen_stages)

    @property
    def name(self) -> str:
        """The name in a config, such as ``timm.resnet18``."""
        return f"{self.origin}.{self.model_name}"

    def count_stages(self) -> int:
        """Return the number of outputs that ``out_indices`` chooses from."""
        raise NotImplementedError

    def save_memory(self) -> None:
        """Prepare the network to compute activations again in the backward pass."""
        raise NotImplementedError

    def head_names(self) -> tuple[str, ...]:
        """Return the beginnings of names of parameters behind the features."""
        raise NotImplementedError

    def load_pretrained(self) -> None:
        """Load the library's weights of this model.

        Raises:
            UserError: There are none, or they can't be downloaded.
        """
        raise NotImplementedError

    def init_weights(self) -> None:
        """Load the weights that the arguments name; else they stay as the library drew them."""
        # Not mmcv's: it would call methods of this name in parts of the library's network.
        if self.init_cfg:
            initialize(self, self.init_cfg)
        elif self.pretrained:
            self.load_pretrained()
        self._is_init = True

    def _set_norms(self, norm_cfg: dict | None) -> None:
        """Apply ``norm_cfg``."""
        kind = (norm_cfg or {"type": "BN"}).get("type")
        others = [key for key in norm_cfg or () if key not in ("type", "requires_grad")]
        if kind not in _NORMS or others:
            raise ArgumentError(
                "norm_cfg may be dict(type='BN') or dict(type='SyncBN'), and the library chooses "
                f"the rest; got {norm_cfg}"
            )
        if kind == "SyncBN":
            convert_sync_bn(self)
        if norm_cfg and not norm_cfg.get("requires_grad", True):
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.requires_grad_(False)

    def _freeze_head(self) -> None:
        """Exclude parameters behind the features from training: no loss reaches them."""
        heads = self.head_names()
        for name, param in self.named_parameters():
            if name.startswith(heads):
                param.requires_grad_(False)

    def _freeze_stages(self, frozen_stages: int) -> None:
        """Freeze the stem and the first stages."""
        self.frozen_stages = frozen_stages
        if frozen_stages < 0:
            self._frozen: tuple[nn.Module, ...] = ()
            return
        numbers, count = layer_numbers(self)
        if frozen_stages > count:
            raise ArgumentError(
                f"frozen_stages={frozen_stages}, and the network has {count} stages or blocks"
            )
        for name, param in self.named_parameters():
            if numbers[name] <= frozen_stages:
                param.requires_grad_(False)
        self._frozen = tuple(
            module
            for module in self.modules()
            if isinstance(module, _BatchNorm)
            and not any(param.requires_grad for param in module.parameters())
        )

    def train(self, mode: bool = True) -> "LibraryBackbone":
        """Switch to train or eval mode; normalisations that keep their statistics stay in eval."""
        super().train(mode)
        self.net.training = mode
        kept = self.modules() if self.norm_eval else self._frozen
        for module in kept:
            if isinstance(module, _BatchNorm):
                module.eval()
        return self

    def as_map(self, x: Tensor, image: Tensor, num_extra: int, has_cls_token: bool) -> Any:
        """Return tokens [N, E + L, C] as a map, or as [map, class token].

        Args:
            x: Tokens, row by row, after E tokens without a place.
            image: The images [N, C, H, W]: the grid has their proportions.
            num_extra: E.
            has_cls_token: Whether the first of these is a class token.

        Raises:
            ArgumentError: The places fill no such grid.
        """
        places = x[:, num_extra:]
        rows = round(sqrt(places.shape[1] * image.shape[-2] / image.shape[-1]))
        if rows == 0 or places.shape[1] % rows:
            raise ArgumentError(
                f"{self.name}: {x.shape[1]} tokens of images of {tuple(image.shape[-2:])} pixels "
                "fill no grid of their proportions"
            )
        grid = places.transpose(1, 2).unflatten(2, (rows, -1))  # [N, C, rows, columns]
        return [grid, x[:, 0]] if has_cls_token and self.output_cls_token else grid


def _adopt(backbone: nn.Module, net: nn.Module) -> None:
    """Make the parts of a network those of a backbone: the two share their dicts.

    What changes one (moving to a device, loading weights, replacing a part) changes the other, and
    no name has a prefix. ``copy.deepcopy`` keeps it so.
    """
    for attribute in ("_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"):
        object.__setattr__(backbone, attribute, getattr(net, attribute))
    object.__setattr__(backbone, "net", net)  # not as a part, which would have a prefix


class LibraryRegistry(Registry):
    """The models of a library as classes of backbones, made when they are asked for.

    Args:
        scope: The library, the first part of ``type='timm.resnet18'``.
        known: A function that returns whether the library has a model of a name.
        listed: A function that returns the names of its models.
    """

    def __init__(
        self, scope: str, known: Callable[[str], bool], listed: Callable[[], list[str]]
    ) -> None:
        super().__init__("models", parent=MMCV_MODELS, scope=scope)
        self.known = known
        self.listed = listed
        self.base: type[LibraryBackbone] | None = None
        self._made: dict[str, type[LibraryBackbone]] = {}

    def get(self, key: str) -> Any:
        """Return the class of the backbone, None where the library has no such model."""
        if self.base is None or not self.known(key):
            return None
        if key not in self._made:
            attributes = {"model_name": key, "__module__": self.base.__module__}
            self._made[key] = type(f"{self.scope}.{key}", (self.base,), attributes)
        return self._made[key]

    def advice(self, key: str) -> str:
        """Return which models have names close to one that the library doesn't have."""
        names = self.listed()
        bare = key.partition(".")[0]
        close = get_close_matches(bare, names, n=5, cutoff=0.7)
        close += [name for name in names if name.startswith(bare) and name not in close][:5]
        hint = f"; close are {', '.join(f'{self.scope}.{name}' for name in close)}" if close else ""
        return f"{self.scope} has no model {key!r}{hint}"
