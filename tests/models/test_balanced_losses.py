"""The losses that a classifier's config names: counts from the data, progress, old names kept."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mmselfsup.apis.train import class_counts
from mmselfsup.core.hooks import TrainingProgressHook
from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.heads import ClsHead, MultiLabelClsHead
from mmselfsup.models.losses import (
    effective_number_weights,
    ldam_loss,
    ldam_margins,
    log_prior,
    logit_adjusted_cross_entropy,
    weighted_cross_entropy,
)
from mmselfsup.models.losses.class_balanced import CrossEntropyLoss
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.errors import ArgumentError, UserError

COUNTS = (40, 10, 5)
SIZE = DataInfo(55, 8, COUNTS)


def make(loss: dict[str, Any] | None, size: DataInfo | None = SIZE, **options: Any) -> nn.Module:
    head = build_head(dict(type="ClsHead", in_channels=6, num_classes=3, loss=loss, **options))
    head.init_weights()
    nn.init.normal_(head.fc_cls.weight)
    if size is not None:
        fit_to_data(head.modules(), size)
    return head


X, LABELS = torch.randn(7, 6), torch.tensor([0, 1, 2, 2, 1, 0, 0])

CONFIGS: list[dict[str, Any]] = [
    dict(type="CrossEntropyLoss"),
    dict(type="CrossEntropyLoss", weight="inverse_frequency", label_smoothing=0.1),
    dict(type="CrossEntropyLoss", weight=[1, 2, 3]),
    dict(type="FocalLoss", gamma=1.0, weight="effective_number", beta=0.9),
    dict(type="LogitAdjustedLoss", tau=1.0),
    dict(type="LDAMLoss"),
]


@pytest.mark.parametrize("config", CONFIGS)
def test_trains_and_has_the_old_names(config: dict[str, Any]) -> None:
    head = make(config)
    assert set(head.state_dict()) == {"fc_cls.weight", "fc_cls.bias"}
    losses = head.loss(head([X]), LABELS)
    losses["loss"].backward()
    assert torch.isfinite(head.fc_cls.weight.grad).all()
    trained = {name for name, p in head.named_parameters() if p.requires_grad}
    assert all(dict(head.named_parameters())[name].grad is not None for name in trained)


def test_counts_reach_the_formulas() -> None:
    counts = torch.tensor(COUNTS)
    scores = make(None)([X])
    weighed = make(dict(type="CrossEntropyLoss", weight="effective_number", beta=0.9))
    expected = weighted_cross_entropy(scores[0], LABELS, effective_number_weights(counts, 0.9))
    assert torch.equal(weighed.loss(scores, LABELS)["loss"], expected)
    adjusted = make(dict(type="LogitAdjustedLoss", tau=0.5))
    expected = logit_adjusted_cross_entropy(scores[0], LABELS, log_prior(counts), 0.5)
    assert torch.equal(adjusted.loss(scores, LABELS)["loss"], expected)


def test_ldam_is_a_cosine_classifier_with_deferred_weights() -> None:
    head = make(dict(type="LDAMLoss", max_margin=0.4, scale=10.0))
    (score,) = head([X])
    cosine = torch.cosine_similarity(X[:, None], head.fc_cls.weight[None], dim=2)
    torch.testing.assert_close(score, 10 * cosine)
    margins = 10 * ldam_margins(torch.tensor(COUNTS), 0.4)
    weight = effective_number_weights(torch.tensor(COUNTS), 0.9999)
    for share, expected in ((0.0, None), (0.79, None), (0.8, weight)):
        head.criterion.set_progress(share)
        loss = head.loss([score], LABELS)["loss"]
        torch.testing.assert_close(loss, ldam_loss(score, LABELS, margins, expected))


def test_hook_reports_the_progress() -> None:
    class Runner:
        def __init__(self) -> None:
            self.model, self.epoch, self.max_epochs = make(dict(type="LDAMLoss")), 8, 10

    class IterRunner(Runner):
        iter, max_iters = 3, 4

        def __init__(self) -> None:
            super().__init__()
            self.max_epochs = None

    for runner, progress in ((Runner(), 0.8), (IterRunner(), 0.75)):
        hook = TrainingProgressHook()
        hook.before_run(runner)
        hook.before_train_epoch(runner)
        hook.before_train_iter(runner)
        assert runner.model.criterion.progress == progress


@pytest.mark.parametrize(
    ("loss", "size", "message"),
    [
        (dict(type="LogitAdjustedLoss"), DataInfo(9, 3), "needs the labels of data.train"),
        (dict(type="LogitAdjustedLoss"), DataInfo(9, 3, (4, 0, 5)), r"none of the class\(es\) 1$"),
        (dict(type="LogitAdjustedLoss"), DataInfo(9, 3, (4, 5)), r"none of the class\(es\) 2$"),
        (dict(type="LogitAdjustedLoss"), DataInfo(9, 3, (4, 1, 1, 3)), "data have 4 classes"),
        (dict(type="CrossEntropyLoss", weight="sqrt"), SIZE, "weight must be numbers or one of"),
        (dict(type="CrossEntropyLoss", weight=[1, 2]), SIZE, "weight needs 3 values, got 2"),
        (dict(type="FocalLoss", gamma=-1.0), SIZE, "gamma must be"),
        (dict(type="FocalLoss", deferred=2.0), SIZE, "deferred must be"),
        (dict(type="LDAMLoss", scale=0.0), SIZE, "scale above"),
    ],
)
def test_mistakes(loss: dict[str, Any], size: DataInfo, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(loss, size)


def test_counts_by_hand_and_none_at_all() -> None:
    hand = make(dict(type="LogitAdjustedLoss", class_counts=[1, 1, 1]), SIZE)
    assert torch.equal(hand.criterion.offset, log_prior(torch.tensor([1, 1, 1])))
    head = make(dict(type="LDAMLoss"), size=None)
    scores = head([X])
    with pytest.raises(UserError, match="has no class counts"):
        head.loss(scores, LABELS)
    with pytest.raises(ValueError, match="don't go with loss"):
        make(dict(type="FocalLoss"), class_weight=[1, 1, 1])


def test_counts_of_labels() -> None:
    assert class_counts(np.array([0, 2, 2])) == (1, 0, 2)
    assert class_counts(np.array([0, -1])) is None
    assert class_counts(np.zeros((2, 3), dtype=int)) is None


@pytest.mark.parametrize("kind", ["BatchMixup", "BatchCutMix"])
def test_mixing(kind: str) -> None:
    model = build_algorithm(
        dict(
            type="Classification",
            backbone=dict(
                type="ResNet", depth=18, in_channels=3, stem_channels=4, base_channels=4,
                out_indices=[4], norm_cfg=dict(type="BN"),
            ),
            head=dict(
                type="ClsHead", with_avg_pool=True, in_channels=32, num_classes=3,
                loss=dict(type="FocalLoss"),
            ),
            train_cfg=dict(augments=dict(type=kind, alpha=0.4, prob=1.0)),
        )
    )  # fmt: skip
    img, label = torch.rand(6, 3, 32, 32), torch.tensor([0, 1, 2, 0, 1, 2])
    np.random.seed(0)
    torch.manual_seed(0)
    mixed, shares = model.augments(img.clone(), label)
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(6))
    np.random.seed(0)
    torch.manual_seed(0)
    share = np.random.beta(0.4, 0.4)
    if kind == "BatchMixup":  # Zhang et al. 2018, section 2
        partner = torch.randperm(6)
        torch.testing.assert_close(mixed, share * img + (1 - share) * img[partner])
        one_hot = nn.functional.one_hot(label, 3).float()
        torch.testing.assert_close(shares, share * one_hot + (1 - share) * one_hot[partner])
    else:  # Yun et al. 2019, equation 1: labels by the area that is kept
        kept = (mixed == img).all(dim=1).float().mean(dim=(1, 2))
        own = shares.gather(1, label[:, None])[:, 0]
        for i in range(6):
            if own[i] < 1:  # the partner is of another class
                assert own[i].item() == pytest.approx(kept[i].item(), abs=1e-5)
        assert (own < 1).any()
    assert torch.isfinite(model(img, label=label)["loss"])


def test_loss_of_mmcls() -> None:
    head = make(dict(type="mmcls.LabelSmoothLoss", label_smooth_val=0.1, num_classes=3))
    losses = head.loss(head([X]), LABELS)
    expected = nn.functional.cross_entropy(head([X])[0], LABELS, label_smoothing=0.1)
    torch.testing.assert_close(losses["loss"], expected)


@pytest.mark.parametrize("weight", [[1, -2, 3], [0, 0, 0], [1, float("nan"), 1], ["1", 1, 1]])
def test_weights_that_train_away_from_a_class_are_refused(weight: list[Any]) -> None:
    told = "give each class a finite number of at least 0, not all 0"
    for build in (
        lambda: ClsHead(num_classes=3, in_channels=4, class_weight=weight),
        lambda: MultiLabelClsHead(num_classes=3, in_channels=4, class_weight=weight),
        lambda: CrossEntropyLoss(3, weight=weight),
    ):
        with pytest.raises(ArgumentError, match=told):
            build()
    head = ClsHead(num_classes=3, in_channels=4, class_weight=[0, 1, 2.5])
    assert head.criterion.weight.tolist() == [0.0, 1.0, 2.5]


@pytest.mark.parametrize("value", [1.5, -0.1, float("nan")])
def test_a_smoothing_out_of_range_is_told_before_the_first_step(value: float) -> None:
    with pytest.raises(ArgumentError, match="label_smoothing must be 0 to 1"):
        ClsHead(num_classes=3, in_channels=4, label_smoothing=value)
    with pytest.raises(ArgumentError, match="label_smoothing must be 0 to 1"):
        CrossEntropyLoss(3, label_smoothing=value)
