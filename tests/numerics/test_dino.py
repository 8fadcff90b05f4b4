"""DINO: loss, centre, targets, last layer and schedules against loops over single numbers."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmcv.cnn.bricks import DropPath
from torch import Tensor
from torch.testing import assert_close

from mmselfsup.core.hooks import ScheduleHook
from mmselfsup.models import build_algorithm, build_head, build_neck
from mmselfsup.models.utils.centring import Centring
from mmselfsup.models.utils.ema import without_drop_path
from mmselfsup.models.utils.multi_prototypes import UnitRows
from mmselfsup.utils.distributed_sinkhorn import distributed_sinkhorn
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, VIT, crops
from tests.resume.test_methods import train

CONFIGS = Path(__file__).parents[2] / "configs/selfsup/dino"


def rows(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def slow_softmax(scores: list[float], temperature: float) -> list[float]:
    powers = [math.exp(score / temperature) for score in scores]
    return [power / sum(powers) for power in powers]


def slow_dino(
    student: Tensor, teacher: Tensor, center: list[float], temperatures: tuple[float, float]
) -> float:
    """Algorithm 1 with equation 3: all pairs of a teacher's view and another one, then means."""
    total, pairs = 0.0, 0
    for t, of_teacher in enumerate(teacher):
        for s, of_student in enumerate(student):
            if s == t:
                continue
            pairs += 1
            for i in range(len(of_student)):
                centred = [float(x) - c for x, c in zip(of_teacher[i], center, strict=True)]
                target = slow_softmax(centred, temperatures[1])
                guess = slow_softmax(of_student[i].tolist(), temperatures[0])
                entropy = -sum(p * math.log(q) for p, q in zip(target, guess, strict=True))
                total += entropy / len(of_student)
    return total / pairs


@pytest.mark.parametrize(("views", "num_global"), [(2, 2), (5, 2), (4, 1), (3, 3)])
def test_two_steps_of_the_loss_equal_the_loop(views: int, num_global: int) -> None:
    """The second step has the centre that the first one has moved."""
    head = build_head(
        dict(
            type="DINOHead",
            feat_dim=5,
            num_global=num_global,
            student_temperature=0.3,
            teacher_temperature=0.2,
            center_momentum=0.7,
        )
    )
    center = [0.0] * 5
    for seed in range(2):
        student, teacher = rows(views, 3, 5, seed=seed), rows(num_global, 3, 5, seed=seed + 9)
        got = head.double()(student, teacher)["loss"]
        assert got.item() == pytest.approx(slow_dino(student, teacher, center, (0.3, 0.2)))
        mean = [
            sum(float(teacher[g, i, k]) for g in range(num_global) for i in range(3))
            / (3 * num_global)
            for k in range(5)
        ]
        center = [0.7 * c + 0.3 * m for c, m in zip(center, mean, strict=True)]
        assert head.centring.center.tolist() == pytest.approx(center)


def test_gradient_is_that_of_the_student_alone() -> None:
    head = build_head(dict(type="DINOHead", feat_dim=4, student_temperature=1.0)).eval()
    student, teacher = rows(3, 2, 4).requires_grad_(), rows(2, 2, 4, seed=1).requires_grad_()
    head(student, teacher)["loss"].backward()
    assert teacher.grad is None
    # Of a cross-entropy it is (softmax - target); views 0 and 1 have one target, view 2 both.
    targets = torch.softmax(teacher.detach() / 0.04, dim=2)
    guess = torch.softmax(student.detach(), dim=2)
    sums = torch.stack((targets[1], targets[0], targets[0] + targets[1]))
    counts = torch.tensor([1.0, 1.0, 2.0])[:, None, None]
    assert student.grad is not None
    assert_close(student.grad, (counts * guess - sums) / (4 * 2))


def test_target_entropy_shows_both_collapses() -> None:
    head = build_head(dict(type="DINOHead", feat_dim=8)).eval()
    student = rows(2, 3, 8)
    alike = head(student, torch.zeros(2, 3, 8))["target_entropy"]
    assert alike.item() == pytest.approx(math.log(8))
    one = F.one_hot(torch.zeros(2, 3, dtype=torch.long), 8).double()
    assert head(student, one)["target_entropy"].item() < 1e-6


# -- centring


def test_centre_moves_in_training_only_and_after_its_use() -> None:
    centring = Centring(3, momentum=0.9)
    scores = rows(4, 3)
    first = centring(scores, 0.5)
    assert_close(first, torch.softmax(scores / 0.5, dim=1))
    assert_close(centring.center, 0.1 * scores.mean(dim=0).float())
    moved = centring.center.clone()
    second = centring.eval()(scores, 0.5)
    assert torch.equal(centring.center, moved)
    assert_close(second, torch.softmax((scores - moved.double()) / 0.5, dim=1))
    centring.train()(scores[:0], 0.5)
    assert torch.equal(centring.center, moved), "nothing to follow"


def test_sinkhorn_balances_all_views_together_and_none_does_nothing() -> None:
    scores = rows(2, 6, 4)
    got = Centring(4, "sinkhorn", iterations=50)(scores, 0.5)
    assert_close(got.flatten(0, 1), distributed_sinkhorn(scores.flatten(0, 1), 50, 1, 0.5))
    assert_close(got.sum(dim=(0, 1)), torch.full((4,), 3.0, dtype=torch.float64), rtol=1e-3, atol=0)
    plain = Centring(4, "none")
    assert_close(plain(scores, 0.5), torch.softmax(scores / 0.5, dim=2))
    assert not plain.center.any()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_targets_of_half_precision_are_float32(dtype: torch.dtype) -> None:
    for kind in ("mean", "sinkhorn", "none"):
        targets = Centring(4, kind)(rows(3, 4).to(dtype), 0.01)
        assert targets.dtype == torch.float32
        assert_close(targets.sum(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(centring="median"), "centring must be one of mean, sinkhorn, none, got 'median'"),
        (dict(center_momentum=1.5), "center_momentum must be in 0..1"),
        (dict(sinkhorn_iterations=0), "sinkhorn_iterations from 1"),
        (dict(num_global=0), "num_global must be from 1"),
        (dict(teacher_temperature=0.0), "temperature must be above 0"),
    ],
)
def test_arguments_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build_head(dict(type="DINOHead", feat_dim=4, **options))


# -- the projection


def slow_neck(neck: Any, x: Tensor) -> Tensor:
    """Linear layers with GELU between them, then cosines with the rows of the last layer."""
    linear = [layer for layer in neck.mlp if isinstance(layer, torch.nn.Linear)]
    for i, layer in enumerate(linear):
        x = x @ layer.weight.T + layer.bias
        if i < len(linear) - 1:
            x = x * (1 + torch.erf(x / 2**0.5)) / 2
    weight = neck.last_layer.weight.detach()
    scores = [[float(a @ b / (a.norm() * b.norm())) for b in weight] for a in x.detach()]
    return torch.tensor(scores, dtype=torch.float64)


@pytest.mark.parametrize("num_layers", [1, 2, 3])
def test_neck_equals_the_loop(num_layers: int) -> None:
    torch.manual_seed(0)
    neck = build_neck(
        dict(
            type="DINONeck",
            in_channels=6,
            hid_channels=5,
            bottleneck_channels=3,
            out_channels=7,
            num_layers=num_layers,
        )
    ).double()
    x = rows(4, 6)
    (got,) = neck([x])
    assert_close(got, slow_neck(neck, x))
    assert got.abs().max() <= 1 + 1e-12
    maps = x[:, :, None, None].expand(-1, -1, 2, 2)
    assert_close(neck([maps])[0], got, msg="the mean of a map")
    assert_close(neck([[torch.zeros_like(maps), x]])[0], got, msg="the class token")


def test_the_last_layer_is_weight_normalised() -> None:
    layer = UnitRows(4, 6).double()
    x = rows(5, 4)
    reference = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 6, bias=False))
    reference = reference.double()
    direction = reference.parametrizations.weight.original1
    reference.parametrizations.weight.original0.data.fill_(1.0)
    direction.data.copy_(layer.weight)
    for output in (layer(x), reference(x)):
        (output * rows(5, 6, seed=1)).sum().backward()
    assert_close(layer(x), reference(x))
    assert_close(layer.weight.grad, direction.grad)
    with pytest.raises(ArgumentError, match="num_layers must be from 1"):
        build_neck(dict(type="DINONeck", in_channels=2, num_layers=0))


# -- the method


def test_the_teacher_sees_global_views_and_has_no_stochastic_depth() -> None:
    torch.manual_seed(0)
    backbone = {**VIT, "drop_path_rate": 0.5}
    model = build_algorithm({**TINY["DINO"].cfg, "backbone": backbone}).train()
    views = crops(4, torch.Generator().manual_seed(0))["img"]
    seen: list[tuple[int, ...]] = []
    model.momentum_encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    assert torch.isfinite(model(views)["loss"])
    assert seen == [(8, 3, 32, 32)]
    student, teacher = model.base_encoder, model.momentum_encoder
    assert torch.equal(teacher(views[0])[0], teacher(views[0])[0])
    assert not torch.equal(student(views[0])[0], student(views[0])[0])
    assert model.evaluated() is model.momentum_encoder[0]


@pytest.mark.parametrize(
    ("backbone", "channels"),
    [
        (dict(type="timm.vit_tiny_patch16_224", embed_dim=24, depth=2, num_heads=2,
              drop_path_rate=0.5), 24),
        (dict(type="torchvision.convnext_tiny", stochastic_depth_prob=0.9), 768),
    ],
)  # fmt: skip
def test_nor_has_the_teacher_one_of_another_library(
    backbone: dict[str, Any], channels: int
) -> None:
    torch.manual_seed(0)
    cfg = TINY["DINO"].cfg
    neck = {**cfg["neck"], "in_channels": channels}
    model = build_algorithm({**cfg, "backbone": backbone, "neck": neck}).train()
    img = torch.rand(16, 3, 32, 32)
    student, teacher = model.base_encoder, model.momentum_encoder
    with torch.no_grad():
        assert torch.equal(teacher(img)[0], teacher(img)[0])
        assert not torch.equal(student(img)[0], student(img)[0])


def test_stochastic_depth_of_a_derived_class() -> None:
    class OwnDropPath(DropPath):  # type: ignore[misc]
        pass

    network = torch.nn.Sequential(OwnDropPath(0.5))
    without_drop_path(network)
    assert network[0].drop_prob == 0.0


def test_views_that_are_missing() -> None:
    model = build_algorithm(TINY["DINO"].cfg)
    with pytest.raises(ArgumentError, match=r"DINO needs two or more views.*num_views=\[2, 6\]"):
        model(torch.zeros(2, 3, 32, 32))
    model.head.num_global = 3
    with pytest.raises(ArgumentError, match=r"got 2 views, fewer than head.num_global=3"):
        model([torch.zeros(2, 3, 32, 32)] * 2)


def test_the_last_layer_waits(tmp_path: Path) -> None:
    """Four of nine iterations leave it as it is; then it trains."""
    torch.manual_seed(1)
    frozen = dict(frozen_layers_cfg=dict(last_layer=4))
    train("DINO", tmp_path, optimizer_config=frozen, optimizer=dict(type="AdamW", lr=0.01))
    name = "base_encoder.1.last_layer.weight"
    after = [
        torch.load(tmp_path / f"iter_{i}.pth", weights_only=True)["state_dict"] for i in range(1, 6)
    ]
    assert torch.equal(after[0][name], after[3][name])
    assert not torch.equal(after[3][name], after[4][name])
    other = "base_encoder.1.mlp.0.weight"
    assert not torch.equal(after[0][other], after[1][other])


@pytest.mark.parametrize("config", sorted(CONFIGS.glob("*.py")), ids=lambda path: path.stem)
def test_schedules_of_the_configs_are_those_of_the_paper(config: Path) -> None:
    cfg = Config.fromfile(str(config))
    hooks = {h.target: h for h in cfg.custom_hooks if h.type == "ScheduleHook"}
    options = {k: v for k, v in hooks["model.head.teacher_temperature"].items() if k != "type"}
    hook = ScheduleHook(**options)
    hook._unit, hook._first = 10, hook.start  # ten iterations an epoch
    length = 10 * cfg.runner.max_epochs
    for iteration in range(0, length, 7):
        epoch = iteration / 10
        wanted = 0.04 + (0.07 - 0.04) * min(epoch / 30, 1)
        assert hook.value(iteration, length) == pytest.approx(wanted)
    decay = ScheduleHook(
        **{k: v for k, v in hooks["optimizer.weight_decay"].items() if k != "type"}
    )
    decay._first = decay.start
    for iteration in range(0, length, 7):
        wanted = 0.4 + (0.04 - 0.4) * (1 + math.cos(math.pi * iteration / length)) / 2
        assert decay.value(iteration, length) == pytest.approx(wanted)
    assert cfg.model.neck.out_channels == cfg.model.head.feat_dim
    assert cfg.optimizer_config.grad_clip == dict(per_parameter=True, max_norm=3.0)
    assert cfg.data.train.num_views[0] == cfg.model.head.num_global
