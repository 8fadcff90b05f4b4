"""iBOT and DINOv2: masked tokens, KoLeo, untied projections, registers against slow loops."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mmselfsup.core.checkpoint import load_weights
from mmselfsup.models import build_algorithm, build_backbone, build_head
from mmselfsup.models.algorithms import IBOT, DINOv2
from mmselfsup.models.losses import koleo, masked_token_prediction
from mmselfsup.models.utils import spatial_map
from mmselfsup.models.utils.centring import Centring
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, VIT, masked_crops


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def batch(n: int = 4) -> list[Any]:
    views: list[Any] = masked_crops(n, torch.Generator().manual_seed(0))["img"]
    return views


def model_of(name: str, **changes: Any) -> Any:
    torch.manual_seed(0)
    model = build_algorithm({**TINY[name].cfg, **changes})
    model.init_weights()
    return model


# -- losses


def slow_masked(scores: Tensor, targets: Tensor, mask: Tensor, temperature: float) -> float:
    """Equation 2: over the masked places of an image, then over all images."""
    total, place = 0.0, 0
    for image in mask:
        entropies = []
        for is_masked in image:
            if not is_masked:
                continue
            powers = [math.exp(s / temperature) for s in scores[place].tolist()]
            pairs = zip(targets[place].tolist(), powers, strict=True)
            entropies.append(-sum(q * math.log(p / sum(powers)) for q, p in pairs))
            place += 1
        total += sum(entropies) / len(entropies) if entropies else 0.0
    assert place == len(scores)
    return total / len(mask)


def test_masked_tokens_equal_the_loop() -> None:
    mask = torch.tensor([[1, 0, 1, 1], [0, 0, 0, 0], [0, 1, 0, 0]]).bool()
    scores, targets = rows(4, 5), torch.softmax(rows(4, 5, seed=1), dim=1)
    got = masked_token_prediction(scores, targets, mask, 0.3)
    assert got.item() == pytest.approx(slow_masked(scores, targets, mask, 0.3))


def test_without_masked_places_the_loss_is_zero_with_a_gradient() -> None:
    scores = rows(0, 5).requires_grad_()
    got = masked_token_prediction(scores, rows(0, 5), torch.zeros(3, 4).bool(), 0.1)
    got.backward()
    assert got.item() == 0
    for kind in ("mean", "sinkhorn"):
        assert Centring(5, kind)(torch.zeros(0, 5), 0.1).shape == (0, 5)


def slow_koleo(vectors: Tensor) -> float:
    """Minus the mean logarithm of the distance to the nearest other vector, on the sphere."""
    units = [[float(x) / float(v.norm()) for x in v] for v in vectors]
    total = 0.0
    for i, a in enumerate(units):
        total -= math.log(min(math.dist(a, b) for j, b in enumerate(units) if j != i))
    return total / len(units)


@pytest.mark.parametrize("shape", [(2, 3), (7, 4), (12, 2)])
def test_koleo_equals_the_loop(shape: tuple[int, int]) -> None:
    vectors = rows(*shape)
    assert koleo(vectors).item() == pytest.approx(slow_koleo(vectors))
    assert torch.autograd.gradcheck(koleo, (vectors.requires_grad_(),))


def test_koleo_of_equal_vectors_is_finite_and_one_vector_is_an_error() -> None:
    same = torch.ones(3, 4, requires_grad=True)
    koleo(same + 0).backward()
    assert same.grad is not None
    assert torch.isfinite(same.grad).all()
    with pytest.raises(ArgumentError, match="at least two images"):
        koleo(torch.ones(1, 4))


# -- the method


def test_the_student_sees_masked_images_and_the_teacher_whole_ones() -> None:
    model = model_of("IBOT").double().eval()
    views = [[v[0].double(), v[1]] if isinstance(v, list) else v.double() for v in batch()]
    got = model(views)
    backbone, neck = model.base_encoder
    teacher, target_neck = model.momentum_encoder
    student_cls, teacher_cls, patch_loss = [], [], 0.0
    for image, mask in views[:2]:
        seen, whole = backbone(image, mask)[0], teacher(image)[0]
        student_cls.append(neck([seen])[0])
        teacher_cls.append(target_neck([whole])[0])
        for i in range(len(image)):
            chosen = [
                (neck([spatial_map(seen)[i : i + 1, :, r, c]])[0],
                 target_neck([spatial_map(whole)[i : i + 1, :, r, c]])[0])
                for r in range(4) for c in range(4) if mask[i, r, c]
            ]  # fmt: skip
            for s, t in chosen:
                target, guess = torch.softmax(t / 0.04, dim=1), torch.log_softmax(s / 0.1, dim=1)
                patch_loss -= (
                    float((target * guess).sum().detach()) / len(chosen) / (2 * len(image))
                )
    student_cls += [neck(backbone(view))[0] for view in views[2:]]
    head = build_head(dict(type="DINOHead", feat_dim=6)).eval()
    wanted = head(torch.stack(student_cls), torch.stack(teacher_cls))["loss"]
    assert_close(got["loss_cls"], wanted)
    assert got["loss_patch"].item() == pytest.approx(patch_loss)


def test_heads_are_tied_in_ibot_and_untied_in_dinov2() -> None:
    assert len(model_of("IBOT").momentum_pairs()) == 1
    for model in (model_of("IBOT", untied=True), model_of("DINOv2")):
        (_, (own, target)) = model.momentum_pairs()
        views = batch()
        model.momentum = 0.5
        before = target.mlp[0].weight.clone()
        sum(v for k, v in model(views).items() if "loss" in k).backward()
        assert own.mlp[0].weight.grad.abs().sum() > 0
        own.mlp[0].weight.data.add_(1.0)
        model.momentum_update()
        assert_close(target.mlp[0].weight, before + 0.5)
    assert len(model_of("DINOv2", untied=False).momentum_pairs()) == 1


def test_koleo_spreads_the_class_tokens_of_each_view() -> None:
    model = model_of("DINOv2", koleo_weight=0.5).eval()
    views = batch()
    tokens = [model.backbone(image, mask)[0][1] for image, mask in views[:2]]
    wanted = 0.5 * sum(slow_koleo(token.double()) for token in tokens) / 2
    assert model(views)["loss_koleo"].item() == pytest.approx(wanted, rel=1e-4)
    assert "loss_koleo" not in model_of("DINOv2", koleo_weight=0.0)(views)


def test_a_mask_that_is_missing_or_does_not_fit() -> None:
    model = model_of("IBOT")
    views = batch()
    with pytest.raises(ArgumentError, match=r"IBOT takes images .* and masks"):
        model([view[0] if isinstance(view, list) else view for view in views])
    views[0][1] = views[1][1] = torch.zeros(4, 3, 3)
    with pytest.raises(ArgumentError, match="masks of 9 patches for images of 16"):
        model(views)


def test_few_images_are_warned_about() -> None:
    assert IBOT.needs.images > 25_000
    assert DINOv2.needs.images > 25_000
    assert "load_from" in DINOv2.needs.instead


# -- the transformer


def test_registers_take_part_and_are_in_no_output() -> None:
    torch.manual_seed(0)
    cfg = {**VIT, "type": "IBOTViT", "num_registers": 3}
    model = build_backbone(cfg).eval()
    model.init_weights()
    img, mask = torch.rand(2, 3, 32, 32), torch.zeros(2, 4, 4)
    assert model.register_tokens.shape == (1, 3, 32)
    seen: list[int] = []
    model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[1]))
    ((grid, token),) = model(img)
    assert seen == [1 + 3 + 16]
    assert (grid.shape, token.shape) == ((2, 32, 4, 4), (2, 32))
    ((masked, _),) = model(img, mask)
    assert torch.equal(masked, grid), "an empty mask"
    with torch.no_grad():
        model.register_tokens.add_(1.0)
    assert not torch.allclose(model(img)[0][1], token)
    plain = build_backbone({**cfg, "type": "VisionTransformer"})
    assert plain(img)[0][0].shape == (2, 32, 4, 4)
    vector = build_backbone({**cfg, "type": "MIMVisionTransformer", "final_norm": False})
    assert vector(img).shape == (2, 32)
    for kind in ("MAEViT", "CAEViT", "MaskFeatViT"):
        with pytest.raises(ArgumentError, match=f"{kind}: num_registers must be 0, got 3"):
            build_backbone({**cfg, "type": kind})


def test_masked_patches_are_hidden() -> None:
    model = build_backbone({**VIT, "type": "IBOTViT"}).eval()
    img, mask = torch.rand(1, 3, 32, 32), torch.zeros(1, 4, 4)
    mask[0, 1, 2] = 1
    other = img.clone()
    other[:, :, 8:16, 16:24] = 0.0
    assert_close(model(img, mask)[0], model(other, mask)[0])
    assert not torch.allclose(model(img)[0][1], model(other)[0][1])


def test_weights_under_the_names_of_dinov2(tmp_path: Path) -> None:
    """Those of the authors' files: ``blocks``, ``ls1.gamma``, ``register_tokens``."""
    model = model_of("DINOv2")
    source = build_backbone(TINY["DINOv2"].cfg["backbone"])
    for weight in source.parameters():
        torch.nn.init.normal_(weight)
    named = {}
    for name, weight in source.state_dict().items():
        new = name.replace("ffn.layers.0.0.", "mlp.fc1.").replace("ffn.layers.1.", "mlp.fc2.")
        new = new.replace("layers.", "blocks.").replace(".projection.", ".proj.")
        if new.startswith("blocks."):
            new = new.replace(".ln", ".norm").replace("gamma_1", "ls1.gamma")
            new = new.replace("gamma_2", "ls2.gamma")
        new = "norm." + new.removeprefix("ln1.") if new.startswith("ln1.") else new
        named[new] = weight[0] if name == "mask_token" else weight
    assert {"register_tokens", "blocks.1.ls2.gamma", "blocks.0.mlp.fc1.weight"} <= set(named)
    torch.save(named, tmp_path / "dinov2.pth")
    load_weights(model, str(tmp_path / "dinov2.pth"))
    for name, weight in source.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], weight), name
