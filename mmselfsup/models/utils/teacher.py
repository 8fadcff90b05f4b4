"""A frozen network whose features a student learns, and what it gives.

Letters: N images of this process, C channels of an image, D width, h, w size of a map.
"""

import hashlib
import json
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.data_info import DataInfo
from mmselfsup.utils.errors import ArgumentError, UserError
from mmselfsup.utils.files import check_folder
from mmselfsup.utils.stable_text import stable_text

from ..builder import build_backbone
from .feature_cache import FeatureCache
from .views import pooled, spatial_map


class TeacherFeatures(NamedTuple):
    """The features of the last stage.

    Attributes:
        vector: Class token or mean over the places, [N, D].
        map: Map of the places [N, D, h, w]; None where nothing needs it.
    """

    vector: Tensor
    map: Tensor | None


class FrozenTeacher(BaseModule):
    """A backbone with fixed weights of a file: always in evaluation mode, without gradient.

    Its weights are not in checkpoints, which hold their SHA-256 digest: a run resumes with the same
    teacher or not at all.

    Args:
        backbone: Config of the teacher.
        checkpoint: File or address of its weights, all of them (see ``load_weights``), read when
            weights are initialised.
        size: Side in pixels that images are brought to (bicubic) for the teacher alone, such as one
            that its patches divide; None takes them as they are.
        cache: Folder in which its features are kept, see ``FeatureCache``; only for images that are
            the same in each epoch.

    Raises:
        ArgumentError: ``size`` is below 1.
    """

    digest: Tensor

    def __init__(
        self,
        backbone: dict,
        checkpoint: str | None = None,
        size: int | None = None,
        cache: str | None = None,
    ) -> None:
        super().__init__()
        if size is not None and size < 1:
            raise ArgumentError(f"teacher.size must be a number of pixels from 1, got {size}")
        network = {name: value for name, value in backbone.items() if name != "init_cfg"}
        self._network = json.dumps(network, sort_keys=True, default=stable_text)
        if checkpoint:
            start = {"type": "Pretrained", "checkpoint": checkpoint, "complete": True}
            backbone = {**backbone, "init_cfg": start}
        self.backbone = build_backbone(backbone).requires_grad_(False).eval()
        self.checkpoint, self.size = checkpoint, size
        self.cache = FeatureCache(cache) if cache else None
        self.with_map = True
        # Zeros stand for "not known": then a loaded value is not compared.
        self.register_buffer("digest", torch.zeros(32, dtype=torch.uint8))
        self._own_digest = b""
        self._compared = False
        self.register_state_dict_post_hook(_leave_out_weights)
        self.register_load_state_dict_pre_hook(_fill_in_weights)

    @property
    def needs_same_views(self) -> bool:
        """Whether an image must look the same in each epoch."""
        return self.cache is not None

    def init_weights(self) -> None:
        """Read the weights.

        Raises:
            UserError: No file is named, or it doesn't hold all weights.
        """
        if not self.checkpoint:
            raise UserError(
                "Distillation needs the weights of its teacher: set model.teacher.checkpoint=FILE "
                "(and model.teacher.backbone to its network)"
            )
        super().init_weights()
        self._own_digest = digest_of(self.backbone)
        self.digest.copy_(torch.frombuffer(bytearray(self._own_digest), dtype=torch.uint8))

    def fit_dataset(self, size: DataInfo) -> None:
        """Tell the cache how many images there are."""
        if self.cache is not None:
            self.cache.num_images = size.num_images
            check_folder("teacher.cache", self.cache.folder)

    def train(self, mode: bool = True) -> "FrozenTeacher":
        """Stay in evaluation mode."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, img: Tensor, idx: Tensor | None = None) -> TeacherFeatures:
        """Return the features of images [N, C, H, W].

        Args:
            img: Images as the student sees them.
            idx: Index of each image in the data set, [N] (int64), for the cache.

        Raises:
            UserError: The run began with another teacher; see ``FeatureCache.get``.
            ArgumentError: There is a cache, and the batch has no indices.
        """
        self._check_teacher()
        if self.cache is None or not self._own_digest or img.is_meta:
            return self._features(img)
        if idx is None:
            raise ArgumentError("teacher.cache needs the index of each image: use MultiViewDataset")
        flat, shape = self.cache.get(self._cache_key(img), img, idx, self._packed)
        vector, places = flat[:, : shape[0]], flat[:, shape[0] :]
        return TeacherFeatures(vector, places.unflatten(1, shape) if len(shape) > 1 else None)

    def _cache_key(self, img: Tensor) -> str:
        """Return the name of what decides on the features of images, beside their pixels.

        The weights alone do not: the config says which layer's features they are (``out_indices``),
        and mixed precision rounds them.
        """
        kind = img.device.type
        half = torch.is_autocast_enabled(kind)
        precision = torch.get_autocast_dtype(kind) if half else img.dtype
        others = hashlib.sha256(f"{self._network} {precision}".encode()).hexdigest()
        return f"{self._own_digest.hex()[:16]}-{others[:8]}-{self.size}"

    def _features(self, img: Tensor) -> TeacherFeatures:
        if self.size is not None and img.shape[-2:] != (self.size, self.size):
            img = F.interpolate(img, (self.size, self.size), mode="bicubic", antialias=True)
        last = self.backbone(img)[-1]
        return TeacherFeatures(pooled(last), spatial_map(last) if self.with_map else None)

    def _packed(self, img: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """Return vectors and maps as rows [N, D * (1 + h * w)], and (D, h, w), or (D,) alone."""
        vector, places = self._features(img)
        if places is None:
            return vector, tuple(vector.shape[1:])
        return torch.cat((vector, places.flatten(1)), dim=1), tuple(places.shape[1:])

    def _check_teacher(self) -> None:
        """Compare the digest that a checkpoint brought with that of the weights, once."""
        if self._compared or not self._own_digest or self.digest.is_meta:
            return
        began_with = bytes(self.digest.tolist())
        if any(began_with) and began_with != self._own_digest:
            raise UserError(
                f"the run began with another teacher than {self.checkpoint}: name that file in "
                "model.teacher.checkpoint, or start a run from its backbone.pth by load_from"
            )
        self._compared = True


def digest_of(module: nn.Module) -> bytes:
    """Return the SHA-256 digest of all weights and buffers of a module, 32 bytes."""
    total = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        total.update(name.encode())
        total.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return total.digest()


def _leave_out_weights(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Remove the teacher's weights from a state dict."""
    for name in [name for name in state if name.startswith(f"{prefix}backbone.")]:
        del state[name]


def _fill_in_weights(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Put the teacher's own weights into a state dict that is loaded, so that none is missing."""
    own = module.get_submodule("backbone").state_dict()
    state.update({f"{prefix}backbone.{name}": value for name, value in own.items()})
