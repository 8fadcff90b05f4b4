"""What all plain vision transformers share.

Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words: Transformers for Image Recognition at
Scale", ICLR.

A forward pass is ``embed`` (patches, class token, positions), ``encode`` (blocks), ``outputs``
(format); a backbone for masked images replaces the first and leaves the rest.
Letters: N images, L places of the grid of patches, C channels.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from mmcls.models.backbones import VisionTransformer as _VisionTransformer
from mmcv.cnn import build_norm_layer
from mmcv.cnn.bricks.transformer import PatchEmbed
from mmcv.runner import BaseModule
from mmcv.runner.base_module import ModuleList
from torch import Tensor, nn

from mmselfsup.utils.errors import ArgumentError

from ..utils.block_parts import run_block
from ..utils.position_embedding import (
    build_2d_sincos_position_embedding,
    resize_loaded_positions,
    resize_position_embedding,
    rows_and_columns,
)
from ..utils.transformer_blocks import TransformerEncoderLayer, drop_path_rates

ARCHITECTURE_KEYS = ("embed_dims", "num_layers", "num_heads", "feedforward_channels")


class BaseViT(BaseModule):
    """A plain vision transformer with a class token.

    Args:
        arch: Name of an architecture of mmcls (``"small"``, ``"base"``, ``"deit-small"`` ...), or a
            dict of ``embed_dims``, ``num_layers``, ``num_heads``, ``feedforward_channels``.
        img_size: Usual height and width of the images in pixels; others work too, with
            interpolated position embeddings.
        patch_size: Side of a patch in pixels.
        in_channels: Channels of the images.
        out_indices: Blocks whose outputs are returned, from 0; negative ones count from the end.
        drop_rate: Dropout of tokens, 0 to 1.
        drop_path_rate: Stochastic depth of the last block, 0 to 1; it grows linearly from 0.
        qkv_bias: Whether queries, keys and values have biases.
        norm_cfg: Config of the normalisations.
        final_norm: Whether the last block is followed by a normalisation.
        with_cls_token: Whether the blocks see the class token.
        output_cls_token: Whether it is returned.
        interpolate_mode: How position embeddings are resized.
        patch_cfg: Further arguments of mmcv's ``PatchEmbed``.
        layer_cfgs: Further arguments of ``TransformerEncoderLayer``, for all blocks or one dict for
            each.
        init_cfg: mmcv's initialization config.
        with_cp: Whether to compute activations of blocks again in the backward pass, which saves
            memory and costs about a third more time.
        frozen_stages: The patch embedding (0) and this many blocks don't train; -1 freezes nothing.
        norm_eval: Whether batch normalisations keep their running statistics.
        num_registers: R, further trained tokens without a place, which no output contains (Darcet
            et al. 2024, "Vision Transformers Need Registers").

    Raises:
        ArgumentError: An unknown architecture, a block that does not exist, or registers in a
            transformer that has none.
    """

    # Architectures by name; some of them have several names.
    arch_zoo: ClassVar[dict[str, dict[str, int]]] = _VisionTransformer.arch_zoo
    num_extra_tokens = 1  # the class token
    # What ``qkv_bias=False`` means in 0.x: no bias here, biases of queries and values in others.
    query_value_bias: bool = False
    #: Whether the position embeddings are sines and cosines, which don't train.
    fixed_positions: ClassVar[bool] = False
    #: Whether it may have registers; decoders of masked methods take all tokens for places.
    takes_registers: ClassVar[bool] = True

    def __init__(
        self,
        arch: str | dict = "base",
        img_size: int | tuple[int, int] = 224,
        patch_size: int = 16,
        in_channels: int = 3,
        out_indices: int | Sequence[int] = -1,
        drop_rate: float = 0.0,
        drop_path_rate: float = 0.0,
        qkv_bias: bool = True,
        norm_cfg: dict = {"type": "LN", "eps": 1e-6},  # noqa: B006
        final_norm: bool = True,
        with_cls_token: bool = True,
        output_cls_token: bool = True,
        interpolate_mode: str = "bicubic",
        patch_cfg: dict = {},  # noqa: B006
        layer_cfgs: dict | Sequence[dict] = {},  # noqa: B006
        init_cfg: dict | list[dict] | None = None,
        with_cp: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = False,
        num_registers: int = 0,
    ) -> None:
        super().__init__(init_cfg)
        if num_registers < 0 or (num_registers and not self.takes_registers):
            most = "0 or more" if self.takes_registers else "0"
            raise ArgumentError(
                f"{type(self).__name__}: num_registers must be {most}, got {num_registers}"
            )
        self.num_registers = num_registers
        self.arch_settings = self._architecture(arch)
        self.embed_dims = self.arch_settings["embed_dims"]
        self.num_layers = self.arch_settings["num_layers"]
        self.img_size = rows_and_columns(img_size)
        if output_cls_token and not with_cls_token:
            raise ArgumentError("output_cls_token=True needs with_cls_token=True")
        self.with_cls_token = with_cls_token
        self.output_cls_token = output_cls_token
        self.interpolate_mode = interpolate_mode
        self.with_cp = with_cp
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.out_indices = self._indices(out_indices)

        self._build_patches(in_channels, patch_size, patch_cfg)
        self.drop_after_pos = nn.Dropout(drop_rate)
        common = {"drop_rate": drop_rate, "qkv_bias": qkv_bias, "norm_cfg": norm_cfg}
        self._build_blocks(common, layer_cfgs, drop_path_rate, final_norm)
        self._freeze()

    def _build_patches(self, in_channels: int, patch_size: int, patch_cfg: dict) -> None:
        """Build the patch embedding, the class token and the position embeddings."""
        patches = {"in_channels": in_channels, "input_size": self.img_size, "conv_type": "Conv2d"}
        patches |= {"kernel_size": patch_size, "stride": patch_size}
        self.patch_embed = PatchEmbed(embed_dims=self.embed_dims, **{**patches, **patch_cfg})
        self.patch_resolution = rows_and_columns(self.patch_embed.init_out_size)
        num_places = self.patch_resolution[0] * self.patch_resolution[1]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, self.embed_dims))
        self.pos_embed = nn.Parameter(
            torch.zeros(1, self.num_extra_tokens + num_places, self.embed_dims)
        )
        if self.num_registers:
            self.register_tokens = nn.Parameter(torch.zeros(1, self.num_registers, self.embed_dims))
        self.register_load_state_dict_pre_hook(_resize_loaded_positions)
        if self.fixed_positions:
            self.pos_embed.requires_grad_(False)
            self.init_positions()

    @classmethod
    def _architecture(cls, arch: str | dict) -> dict[str, int]:
        """Return widths and depth of an architecture."""
        if isinstance(arch, str):
            if arch.lower() not in cls.arch_zoo:
                raise ArgumentError(f"arch must be one of {sorted(cls.arch_zoo)} or a dict with "
                                    f"{', '.join(ARCHITECTURE_KEYS)}, got {arch!r}")  # fmt: skip
            return cls.arch_zoo[arch.lower()]
        missing = [key for key in ARCHITECTURE_KEYS if key not in arch]
        if missing:
            raise ArgumentError(f"arch={dict(arch)} has no {', '.join(missing)}")
        return dict(arch)

    def _indices(self, out_indices: int | Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of the blocks whose outputs are returned."""
        wanted = [out_indices] if isinstance(out_indices, int) else list(out_indices)
        indices = tuple(i + self.num_layers if i < 0 else i for i in wanted)
        if not indices or any(not 0 <= i < self.num_layers for i in indices):
            raise ArgumentError(
                f"out_indices must lie in {-self.num_layers}..{self.num_layers - 1}, got {wanted}"
            )
        return indices

    def _build_blocks(
        self,
        common: dict[str, Any],
        own: dict | Sequence[dict],
        drop_path_rate: float,
        final_norm: bool,
    ) -> None:
        """Build the blocks and the normalisation after them.

        Args:
            common: Arguments of all blocks.
            own: Arguments that replace them, one dict for all blocks or one for each.
            drop_path_rate: Stochastic depth of the last block.
            final_norm: Whether the normalisation exists.
        """
        if not common["qkv_bias"] and not self.query_value_bias:
            common = {**common, "qkv_bias": None}  # no bias at all, see ``MultiheadAttention``
        widths = {k: self.arch_settings[k] for k in ARCHITECTURE_KEYS if k != "num_layers"}
        rates = drop_path_rates(drop_path_rate, self.num_layers)
        each = [own] * self.num_layers if isinstance(own, dict) else list(own)
        self.layers = ModuleList(
            TransformerEncoderLayer(**{**widths, **common, "drop_path_rate": rate, **settings})
            for rate, settings in zip(rates, each, strict=True)
        )
        self.final_norm = final_norm
        if final_norm:
            # mmcv names a layer normalisation ``ln1``: 0.x's checkpoints have this name.
            self.norm1_name, norm1 = build_norm_layer(
                common["norm_cfg"], self.embed_dims, postfix=1
            )
            self.add_module(self.norm1_name, norm1)

    @property
    def norm1(self) -> nn.Module:
        """The normalisation after the last block."""
        return getattr(self, self.norm1_name)

    def init_weights(self) -> None:
        """Draw positions and weights, unless they are loaded (``init_cfg`` of Pretrained)."""
        super().init_weights()
        if not (isinstance(self.init_cfg, dict) and self.init_cfg.get("type") == "Pretrained"):
            self.init_positions()
            self.draw_weights()
            if self.num_registers:
                nn.init.normal_(self.register_tokens, std=1e-6)

    def init_positions(self) -> None:
        """Set fixed position embeddings, or draw them, normal with a deviation of 0.02."""
        if not self.fixed_positions:
            nn.init.trunc_normal_(self.pos_embed, std=0.02)
            return
        table = build_2d_sincos_position_embedding(
            self.patch_resolution, self.embed_dims, cls_token=True
        )
        self.pos_embed.data.copy_(table)

    def draw_weights(self) -> None:
        """Draw what a method draws in its own way; nothing here."""

    def positions(self, resolution: tuple[int, int]) -> Tensor:
        """Return the position embeddings [1, 1 + L, C] of a grid of patches (rows, columns)."""
        return resize_position_embedding(
            self.pos_embed,
            self.patch_resolution,
            resolution,
            self.interpolate_mode,
            self.num_extra_tokens,
        )

    def embed(self, x: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return tokens with positions [N, 1 + R + L, C], and rows and columns.

        The class token is the first, then come the registers.

        Args:
            x: Images [N, in_channels, H, W].
        """
        tokens, resolution = self.patch_embed(x)  # [N, L, C]
        positions = self.positions(resolution)
        tokens = self.with_class_token(tokens + positions[:, 1:], positions)
        tokens = self.with_registers(tokens)
        return (tokens if self.with_cls_token else tokens[:, 1:]), tuple(resolution)

    def with_registers(self, tokens: Tensor) -> Tensor:
        """Return tokens [N, 1 + L, C] with the registers behind the first, [N, 1 + R + L, C]."""
        if not self.num_registers:
            return tokens
        registers = self.register_tokens.expand(len(tokens), -1, -1).to(tokens.dtype)
        return torch.cat((tokens[:, :1], registers, tokens[:, 1:]), dim=1)

    def places(self, tokens: Tensor) -> Tensor:
        """Return the tokens of patches [N, L, C], without class token and registers."""
        return tokens[:, self.num_registers + int(self.with_cls_token) :]

    def with_class_token(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return tokens [N, L, C] with the class token in front, [N, 1 + L, C], after dropout.

        Args:
            tokens: Tokens with their positions.
            positions: Position embeddings of a grid, whose first is that of the class token.
        """
        class_token = (self.cls_token + positions[:, :1]).expand(tokens.shape[0], -1, -1)
        return self.drop_after_pos(torch.cat([class_token, tokens], dim=1))

    def encode(self, tokens: Tensor) -> list[Tensor]:
        """Return the tokens [N, L, C] after each block of ``out_indices``, in ascending order.

        Blocks after the last output are not computed.
        """
        outs = []
        for i, layer in enumerate(self.layers[: max(self.out_indices) + 1]):
            tokens = run_block(layer, tokens, again=self.with_cp)
            if i == self.num_layers - 1 and self.final_norm:
                tokens = self.norm1(tokens)
            if i in self.out_indices:
                outs.append(tokens)
        return outs

    def outputs(self, tokens: Tensor, resolution: tuple[int, int]) -> Any:
        """Return tokens of one block as [map [N, C, rows, columns], class token [N, C]].

        Without ``output_cls_token`` it is the map alone.
        """
        grid = self.places(tokens).transpose(1, 2).unflatten(2, resolution)
        return [grid, tokens[:, 0]] if self.output_cls_token else grid

    def forward(self, x: Tensor) -> tuple[Any, ...]:
        """Return the outputs of the blocks of ``out_indices``, see ``outputs``.

        Args:
            x: Images [N, in_channels, H, W]; sizes that are no multiple of the patch are padded
                with zeros at the right and bottom.
        """
        tokens, resolution = self.embed(x)
        return tuple(self.outputs(out, resolution) for out in self.encode(tokens))

    def _frozen(self) -> list[nn.Module]:
        """Return the modules that don't train."""
        if self.frozen_stages < 0:
            return []
        frozen = [self.patch_embed, self.drop_after_pos, *self.layers[: self.frozen_stages]]
        if self.final_norm and self.frozen_stages >= self.num_layers:
            frozen.append(self.norm1)
        return frozen

    def _freeze(self) -> None:
        """Exclude frozen parts from training.

        Raises:
            ArgumentError: There are fewer blocks than shall be frozen.
        """
        if self.frozen_stages > self.num_layers:
            raise ArgumentError(
                f"frozen_stages={self.frozen_stages}, there are {self.num_layers} blocks"
            )
        for module in self._frozen():
            module.requires_grad_(False)
        if self.frozen_stages >= 0:
            self.cls_token.requires_grad_(False)
            self.pos_embed.requires_grad_(False)
            if self.num_registers:
                self.register_tokens.requires_grad_(False)

    def train(self, mode: bool = True) -> "BaseViT":
        """Switch to train or eval mode; frozen parts stay in eval mode."""
        super().train(mode)
        if mode:
            for module in self._frozen():
                module.eval()
            if self.norm_eval:
                for module in self.modules():
                    if isinstance(module, nn.modules.batchnorm._BatchNorm):
                        module.eval()
        return self


def _resize_loaded_positions(
    backbone: BaseViT, state_dict: dict[str, Tensor], prefix: str, *_: Any
) -> None:
    """Interpolate the position embeddings of a checkpoint for another image size, and log it."""
    resize_loaded_positions(
        state_dict,
        f"{prefix}pos_embed",
        backbone.pos_embed,
        backbone.patch_resolution,
        backbone.interpolate_mode,
        backbone.num_extra_tokens,
    )
