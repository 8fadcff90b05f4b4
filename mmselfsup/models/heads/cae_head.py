"""The head of CAE: Chen et al. 2022, "Context Autoencoder for Self-Supervised Representation
Learning", section 3.

Letters: N images, L patches, M masked patches of an image, C channels, V words of the tokenizer.
"""

import pickle
from pathlib import Path

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmselfsup.utils.errors import UserError

from ..builder import HEADS
from ..utils.dall_e import Encoder
from ..utils.masked_places import Places, masked_places
from ..utils.precision import full_precision


@HEADS.register_module()
class CAEHead(BaseModule):
    """The words of masked patches, and their alignment with the representations of a teacher.

    Args:
        tokenizer_path: File with the weights of DALL-E's encoder, ``dalle_encoder.pth`` of 0.x's
            documentation; read when weights are initialised, so that a checkpoint of the whole
            model needs no file.
        lambd: Weight of the alignment.
        init_cfg: mmcv's initialization config.
        tokenizer: Arguments of ``Encoder``, for a tokenizer of another size.
    """

    def __init__(
        self,
        tokenizer_path: str,
        lambd: float,
        init_cfg: dict | None = None,
        tokenizer: dict = {},  # noqa: B006
    ) -> None:
        super().__init__(init_cfg)
        self.tokenizer_path = tokenizer_path
        self.lambd = lambd
        self.encoder = Encoder(**tokenizer).requires_grad_(False)
        self.loss_cross_entropy = nn.CrossEntropyLoss()
        self.loss_mse = nn.MSELoss()

    def init_weights(self) -> None:
        """Load the tokenizer.

        Raises:
            UserError: The file is missing or does not hold the tokenizer's weights.
        """
        super().init_weights()
        self.encoder.load_state_dict(read_tokenizer(self.tokenizer_path, self.encoder))

    @torch.no_grad()
    def words(self, img_target: Tensor) -> Tensor:
        """Return the word of each patch, int64 [N, L].

        Args:
            img_target: Images [N, 3, H, W] of 8 x 8 pixels a patch.
        """
        return self.encoder(img_target).argmax(dim=1).flatten(1)

    @full_precision
    def losses(
        self, outputs: Tensor, words: Tensor, latent_pred: Tensor, latent_target: Tensor
    ) -> dict[str, Tensor]:
        """Return ``loss``, ``main`` and ``align``, float32 scalars.

        Args:
            outputs: Scores [N * M, V] of the words of masked patches.
            words: Their words [N * M].
            latent_pred: Predicted representations [N, M, C].
            latent_target: Those of the teacher [N, M, C].
        """
        main = F.cross_entropy(outputs, words)
        align = self.lambd * F.mse_loss(latent_pred, latent_target)
        return {"loss": main + align, "main": main, "align": align}

    def forward(
        self,
        img_target: Tensor,
        outputs: Tensor,
        latent_pred: Tensor,
        latent_target: Tensor,
        mask: Tensor,
        masked: Places | None = None,
    ) -> dict[str, Tensor]:
        """Return ``loss`` with its parts ``main`` (words) and ``align``, float32 scalars.

        Args:
            img_target: Images [N, 3, H, W] of 8 x 8 pixels a patch.
            outputs: Scores of the words of masked patches, [N, M, V] or [N * M, V].
            latent_pred: Predicted representations [N, M, C].
            latent_target: Those of the teacher [N, M, C]; they get no gradient.
            mask: True for masked patches, [N, L].
            masked: ``masked_places(mask)``, where it is known.
        """
        scores = outputs.flatten(0, -2)  # [N * M, V]
        if masked is None:
            masked = masked_places(mask.flatten(1), len(scores))
        words = self.words(img_target)[masked]  # [N * M]
        return self.losses(scores, words, latent_pred, latent_target.detach())


def read_tokenizer(path: str, encoder: Encoder) -> dict[str, Tensor]:
    """Return the weights of a tokenizer.

    Raises:
        UserError: The file is missing, no checkpoint, or one of other names or shapes.
    """
    what = f"the tokenizer of CAE (model.head.tokenizer_path={path})"
    if not Path(path).is_file():
        raise UserError(
            f"{what} is not there: download dalle_encoder.pth as the page of CAE says, or name the "
            "file that you have"
        )
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{what} is no file of weights: {str(error).splitlines()[0]}") from error
    expected = {name: value.shape for name, value in encoder.state_dict().items()}
    entries = weights if isinstance(weights, dict) else {}
    got = {name: getattr(value, "shape", None) for name, value in entries.items()}
    if got != expected:
        odd = sorted(set(expected.items()) ^ set(got.items()), key=str)[0][0]
        raise UserError(f"{what} holds other weights than DALL-E's encoder, first at {odd}")
    return weights
