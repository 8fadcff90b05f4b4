"""Every model of timm as a backbone: ``dict(type='timm.vit_small_patch16_224', ...)``.

timm is loaded when a config names one. Letters: N images, C channels, L tokens.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmcls.models.builder import BACKBONES as MMCLS_BACKBONES
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError, UserError, one_line
from mmselfsup.utils.logger import silenced

from ..builder import BACKBONES
from ..utils.position_embedding import log_resized_positions
from .wrapped_backbone import LibraryBackbone, LibraryRegistry

# Arguments of timm's constructors by which a transformer takes images of other sizes than its own;
# each knows one of them or none.
_ANY_SIZE: tuple[dict[str, Any], ...] = ({"dynamic_img_size": True}, {"strict_img_size": False}, {})
# Parts behind the features, beside the classifier that ``pretrained_cfg`` names.
_HEADS = ("fc_norm", "attn_pool", "head_dist", "aux_head")


def _known(name: str) -> bool:
    """Return whether timm has a model; the name may end in a tag of weights (``.augreg_in1k``)."""
    from timm.models import is_model

    return bool(is_model(name.partition(".")[0]))


def _listed() -> list[str]:
    """Return the names of timm's models, without tags."""
    from timm import list_models

    return list(list_models())


TIMM = LibraryRegistry("timm", _known, _listed)


class TimmBackbone(LibraryBackbone):
    """A model of timm; in a config its type is ``timm.`` and the model's name.

    Transformers take images of any multiple of their patches, unless ``dynamic_img_size=False``:
    timm interpolates their position embeddings.

    Args:
        out_indices: See ``LibraryBackbone``.
        output_cls_token: See ``LibraryBackbone``.
        frozen_stages: See ``LibraryBackbone``.
        norm_eval: See ``LibraryBackbone``.
        norm_cfg: See ``LibraryBackbone``.
        with_cp: See ``LibraryBackbone``.
        pretrained: Whether ``init_weights`` takes timm's weights from its hub.
        checkpoint_path: See ``LibraryBackbone``.
        in_channels: Channels of the images; timm's own name ``in_chans`` works too.
        init_cfg: See ``LibraryBackbone``.
        **kwargs: Arguments of the model, such as ``img_size``, ``dynamic_img_size``,
            ``drop_path_rate``.

    Raises:
        ArgumentError: The model doesn't take an argument.
    """

    origin = "timm"

    def __init__(
        self,
        out_indices: int | Sequence[int] = -1,
        output_cls_token: bool = True,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        norm_cfg: dict | None = None,
        with_cp: bool = False,
        pretrained: bool = False,
        checkpoint_path: str | None = None,
        in_channels: int = 3,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        options = {"in_chans": in_channels, **kwargs, "num_classes": 0}
        net, self_options = _create(self.model_name, options)
        super().__init__(
            net, out_indices, output_cls_token, frozen_stages, norm_eval, norm_cfg, with_cp,
            pretrained, checkpoint_path, init_cfg,
        )  # fmt: skip
        self._options = self_options
        self.register_load_state_dict_pre_hook(_resize_loaded_positions)

    def count_stages(self) -> int:
        """Return the number of timm's ``feature_info``, 1 for a model without."""
        info = getattr(self.net, "feature_info", None)
        return len(info) if info is not None and hasattr(self.net, "forward_intermediates") else 1

    def save_memory(self) -> None:
        """Switch on timm's gradient checkpointing."""
        try:
            self.net.set_grad_checkpointing(True)
        except (AssertionError, AttributeError) as error:
            raise ArgumentError("no gradient checkpointing in timm: leave with_cp out") from error

    def head_names(self) -> tuple[str, ...]:
        """Return the beginnings of the names behind ``forward_features``."""
        named = (getattr(self.net, "pretrained_cfg", None) or {}).get("classifier") or ()
        names = (named,) if isinstance(named, str) else tuple(named)
        return tuple(f"{name.partition('.')[0]}." for name in (*names, *_HEADS))

    def load_pretrained(self) -> None:
        """Load timm's weights, by timm's own code; see ``LibraryBackbone``."""
        self.load_state_dict(timm_weights(self.model_name, self._options))

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        """Return the outputs of ``out_indices``, in ascending order; see ``LibraryBackbone``.

        Args:
            x: Images [N, in_channels, H, W].

        Raises:
            ArgumentError: The model gives features of another kind.
        """
        indices, last = sorted(set(self.out_indices)), self.num_stages - 1
        if indices == [last]:
            return (self._output(self.net.forward_features(x), x),)
        takes = inspect.signature(self.net.forward_intermediates).parameters
        options: dict[str, Any] = {"indices": indices, "output_fmt": "NCHW"}
        if self._num_extra and "return_prefix_tokens" in takes:
            options["return_prefix_tokens"] = True
        if last not in indices:
            options |= {"stop_early": True, "intermediates_only": True}
            return tuple(map(self._stage, self.net.forward_intermediates(x, **options)))
        final, stages = self.net.forward_intermediates(x, **options)
        return (*map(self._stage, stages[:-1]), self._output(final, x))

    @property
    def _num_extra(self) -> int:
        """Number of tokens without a place in front of the others."""
        number = getattr(self.net, "num_prefix_tokens", None)
        return int(self._has_cls_token if number is None else number)

    @property
    def _has_cls_token(self) -> bool:
        """Whether the first token is a class token."""
        return getattr(self.net, "cls_token", None) is not None

    def _stage(self, entry: Any) -> Any:
        """Return an output of ``forward_intermediates``: a map, or a map and its first tokens."""
        if not isinstance(entry, tuple | list):
            return entry
        grid, extra = entry  # [N, C, rows, columns], [N, E, C]
        return [grid, extra[:, 0]] if self._has_cls_token and self.output_cls_token else grid

    def _output(self, x: Any, image: Tensor) -> Any:
        """Return the result of ``forward_features`` as a map, or as [map, class token]."""
        if isinstance(x, Tensor) and x.ndim == 4:
            by_place = getattr(self.net, "output_fmt", "NCHW") == "NHWC"
            return x.permute(0, 3, 1, 2) if by_place else x
        if isinstance(x, Tensor) and x.ndim == 3:
            return self.as_map(x, image, self._num_extra, self._has_cls_token)
        if isinstance(x, Tensor) and x.ndim == 2:
            return x
        raise ArgumentError(
            f"{self.name} gives a {type(x).__name__}, no map and no tokens: take another model"
        )


TIMM.base = TimmBackbone


@MMCLS_BACKBONES.register_module(name="TIMMBackbone", force=True)
@BACKBONES.register_module(name="TIMMBackbone")
class NamedTimmBackbone(TimmBackbone):
    """The wrapper of MMSelfSup 0.x and mmcls, ``dict(type='TIMMBackbone', model_name=...)``.

    Args:
        model_name: Name of the model in timm.
        features_only: Whether the outputs of all stages are returned, or those of ``out_indices``.
        pretrained: See ``TimmBackbone``.
        checkpoint_path: See ``TimmBackbone``.
        in_channels: See ``TimmBackbone``.
        init_cfg: See ``TimmBackbone``.
        **kwargs: Other arguments of ``TimmBackbone``.

    Raises:
        ArgumentError: timm has no such model, or it doesn't take an argument.

    Difference from mmcls: names of weights have no ``timm_model.`` in front, so that timm's files
    fit and ``backbone.pth`` is one of them; a checkpoint with the prefix is loaded too.
    """

    def __init__(
        self,
        model_name: str,
        features_only: bool = False,
        pretrained: bool = False,
        checkpoint_path: str = "",
        in_channels: int = 3,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if not _known(model_name):
            raise ArgumentError(TIMM.advice(model_name))
        self.__dict__["model_name"] = model_name  # before the constructor of nn.Module
        out_indices = kwargs.pop("out_indices", None)
        if features_only and out_indices is None:
            with torch.device("meta"):
                net, _ = _create(model_name, {"num_classes": 0})
            out_indices = tuple(range(len(net.feature_info)))
        super().__init__(
            out_indices=-1 if out_indices is None else out_indices, pretrained=pretrained,
            checkpoint_path=checkpoint_path or None, in_channels=in_channels, init_cfg=init_cfg,
            **kwargs,
        )  # fmt: skip


def _create(name: str, options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return a model of timm with random weights, and the arguments that made it.

    Raises:
        ArgumentError: It doesn't take an argument.
    """
    import timm

    own = {"dynamic_img_size", "strict_img_size"} & set(options)
    for size in ({},) if own else _ANY_SIZE:
        every = {**size, **options}
        try:
            return timm.create_model(name, pretrained=False, **every), every
        except TypeError as error:
            reason = one_line(error)
            if "unexpected keyword argument" not in reason:
                raise
            if not any(repr(key) in reason for key in size):
                argument = reason.rpartition("argument ")[2]
                raise ArgumentError(f"the model takes no argument {argument}") from error
    raise ArgumentError(f"timm can't build {name}")  # the last try has no argument of its own


def timm_weights(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Tensor]:
    """Return the weights of a model from timm's hub, downloaded or from its cache.

    Args:
        name: The model, with or without a tag.
        options: Arguments of the model, to which timm adapts the weights.

    Raises:
        UserError: timm has no such model or no weights of it, or the download fails.
    """
    import timm

    if not _known(name):
        raise UserError(TIMM.advice(name))
    every = options or {"num_classes": 0}
    try:
        with silenced("huggingface_hub"):  # it would report each of its attempts
            net: nn.Module = timm.create_model(name, pretrained=True, **every)
    except Exception as error:  # of any library between here and the server
        raise UserError(
            f"timm.{name}: no pre-trained weights ({one_line(error).partition('. ')[0]}); without "
            "a network, give their file by checkpoint_path or load_from"
        ) from error
    return net.state_dict()


def _resize_loaded_positions(
    backbone: TimmBackbone, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Interpolate the position embeddings of a checkpoint for another image size, as timm does."""
    name, own = f"{prefix}pos_embed", getattr(backbone.net, "pos_embed", None)
    loaded, patches = state_dict.get(name), getattr(backbone.net, "patch_embed", None)
    grid = getattr(patches, "grid_size", None)
    if loaded is None or own is None or grid is None or loaded.shape == own.shape:
        return
    extra = own.shape[1] - grid[0] * grid[1] if own.ndim == 3 else -1
    side = int(max(loaded.shape[1] - extra, 0) ** 0.5) if loaded.ndim == 3 else 0
    if extra < 0 or side**2 + extra != loaded.shape[1] or loaded.shape[2] != own.shape[2]:
        return
    from timm.layers import resample_abs_pos_embed

    log_resized_positions(name, side, grid)
    state_dict[name] = resample_abs_pos_embed(loaded, list(grid), [side, side], extra)
