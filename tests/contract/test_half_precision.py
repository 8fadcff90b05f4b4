"""Every algorithm trains in bfloat16 and channels_last as it does in float32.

A tiny network amplifies rounding, so its losses in the two precisions differ as much as those of
other weights do. Therefore the parts are compared: the features of the backbone, and the loss and
the gradients of neck and head on the same features. No bound holds for other weights.
"""

import copy
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from tiny_models import TINY
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_unflatten

from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms.base import parse_losses

NAMES = sorted(TINY)
OTHERS = (11, 12, 13)  # seeds of other weights and images
# Predictions that rounding turns, and projections divided by the small deviations of a small batch:
# the direction of the gradient of the whole network is chance.
UNSTEADY = (
    "All4One", "BYOL", "BarlowTwins", "DeepClusterV2", "FastSiam", "MMCR", "MoCoV3", "NNBYOL",
    "NNCLR", "NNSiam", "SMoG", "SimSiam", "VIbCReg", "VICReg", "VICRegL",
)  # fmt: skip
Features = list[list[Tensor]]


class Step(NamedTuple):
    """What a forward and a backward pass gave.

    Attributes:
        loss: The loss, [].
        features: Outputs of the backbones, one list for each call.
        dtypes: Types of the outputs of the layers in the backbones that multiply matrices.
        grads: The gradient of each parameter that has one.
    """

    loss: Tensor
    features: Features
    dtypes: set[torch.dtype]
    grads: dict[str, Tensor]

    def all_features(self) -> Tensor:
        """Return all maps and tokens in a row; a mask beside them has fewer dimensions."""
        parts = [part for call in self.features for part in call if part.ndim > 2]
        return torch.cat([part.flatten() for part in parts])

    def gradient(self, outside_backbone: bool = False) -> Tensor:
        """Return the gradients in a row; those of the backbone may be left out."""
        kept = [g for n, g in self.grads.items() if not (outside_backbone and in_backbone(n))]
        return torch.cat([grad.flatten() for grad in kept])


def _wide(part: Tensor) -> Tensor:
    """Return an output as float32; indices, such as the places of hidden patches, stay."""
    return part.float() if part.is_floating_point() else part


def in_backbone(name: str) -> bool:
    """Tell whether a parameter belongs to a backbone, also as the first part of an encoder."""
    return name.startswith(
        ("backbone.", "encoder_q.0.", "online_net.0.", "encoder.0.", "base_encoder.0.")
    )


def step(name: str, half: bool = False, seed: int = 0, given: Features | None = None) -> Step:
    """Run a pass without oneDNN, which may crash: see ``unsafe_in_channels_last``."""
    with torch.backends.mkldnn.flags(enabled=False):
        return _step(name, half, seed, given)


def _step(name: str, half: bool = False, seed: int = 0, given: Features | None = None) -> Step:
    """Run a pass over 8 samples; ``given`` features take the place of those of the backbones."""
    torch.manual_seed(seed)
    model = build_algorithm(copy.deepcopy(TINY[name].cfg))
    model.init_weights()
    TINY[name].prepare(model)
    batch = TINY[name].batch(8, torch.Generator().manual_seed(seed))
    if half:
        model.amp_dtype = torch.bfloat16
        model.to(memory_format=torch.channels_last)
    features: Features = []
    dtypes: set[torch.dtype] = set()

    def keep(module: Any, args: Any, output: Any) -> Any:
        # Transformers return a map and a class token for a stage, other backbones a map.
        _, structure = tree_flatten(output)
        if given is not None:
            output = tree_unflatten(given[len(features)], structure)
        features.append([_wide(part.detach()) for part in tree_leaves(output)])
        return output

    def keep_type(module: Any, args: Any, output: Tensor) -> None:
        dtypes.add(output.dtype)

    for module in model.modules():
        if type(module) is type(model.backbone):
            module.register_forward_hook(keep)
            # Not the features: autocast gives the output of a layer normalisation in float32.
            for layer in module.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.register_forward_hook(keep_type)
    torch.manual_seed(0)  # for what the forward pass draws
    loss, _ = parse_losses(model(**batch))
    loss.backward()
    named = model.named_parameters()
    grads = {n: p.grad.clone() for n, p in named if p.grad is not None}
    return Step(loss.detach(), features, dtypes, grads)


def distance(x: Tensor, y: Tensor) -> float:
    """Return the relative distance of two vectors."""
    return float((x - y).norm() / y.norm())


@pytest.fixture(scope="module")
def steps() -> Any:
    """The passes of an algorithm: full precision, half, full on the features of half, others."""
    done: dict[str, tuple[Step, Step, Step, list[Step]]] = {}

    def run(name: str) -> tuple[Step, Step, Step, list[Step]]:
        if name not in done:
            full, half = step(name), step(name, half=True)
            replayed = step(name, given=half.features)
            done[name] = full, half, replayed, [step(name, seed=seed) for seed in OTHERS]
        return done[name]

    return run


@pytest.mark.parametrize("name", NAMES)
def test_the_forward_pass_is_in_half_precision_and_the_loss_is_not(name: str, steps: Any) -> None:
    full, half, *_ = steps(name)
    assert half.dtypes == {torch.bfloat16}
    assert full.dtypes == {torch.float32}
    assert half.loss.dtype is torch.float32
    assert set(half.grads) == set(full.grads)


@pytest.mark.parametrize("name", NAMES)
def test_features(name: str, steps: Any) -> None:
    full, half, _, others = steps(name)
    assert distance(half.all_features(), full.all_features()) < 0.15
    for other in others:
        assert distance(other.all_features(), full.all_features()) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_loss_on_the_same_features(name: str, steps: Any) -> None:
    _, half, replayed, others = steps(name)
    error = (half.loss - replayed.loss).abs().item()
    assert error < 0.02
    assert error < 0.5 * min((other.loss - replayed.loss).abs().item() for other in others)


@pytest.mark.parametrize("name", NAMES)
def test_gradients(name: str, steps: Any) -> None:
    full, half, replayed, others = steps(name)
    on_top = replayed.gradient(outside_backbone=True)
    assert F.cosine_similarity(half.gradient(outside_backbone=True), on_top, dim=0) > 0.95
    for other in others:
        assert F.cosine_similarity(other.gradient(outside_backbone=True), on_top, dim=0) < 0.6
    if name not in UNSTEADY:
        assert F.cosine_similarity(half.gradient(), full.gradient(), dim=0) > 0.8
        for other in others:
            assert F.cosine_similarity(other.gradient(), full.gradient(), dim=0) < 0.6


@pytest.mark.parametrize("name", NAMES)
def test_every_algorithm_has_the_switch(name: str) -> None:
    assert build_algorithm(TINY[name].cfg).amp_dtype is None
