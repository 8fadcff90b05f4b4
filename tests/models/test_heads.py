"""Heads: scores, losses, accuracies, initialisation."""

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_head

CHANNELS, SIDES = (64, 256, 512, 1024, 2048), (112, 56, 28, 14, 7)


def test_cls_head():
    head = build_head(
        {"type": "ClsHead", "with_avg_pool": True, "in_channels": 6, "num_classes": 3}
    )
    head.init_weights()
    x, labels = torch.rand(4, 6, 2, 2), torch.tensor([0, 1, 2, 2])
    scores = head([x])
    assert torch.allclose(scores[0], head.fc_cls(x.mean(dim=(2, 3))))
    losses = head.loss(scores, labels)
    assert torch.equal(losses["loss"], F.cross_entropy(scores[0], labels))
    assert 0 <= losses["acc"].item() <= 100
    assert head.fc_cls.bias.abs().max() == 0
    assert head.fc_cls.weight.std() < 0.02


def test_multi_label_head_is_a_mean_of_binary_cross_entropies():
    head = build_head(
        {"type": "MultiLabelClsHead", "in_channels": 6, "num_classes": 3, "class_weight": [1, 2, 1]}
    )
    score, labels = torch.randn(4, 3), torch.tensor([[0, 1, 1], [1, 0, 0], [0, 1, -1], [0, 0, 0]])
    losses = head.loss([score], labels)
    terms, right = [], 0
    for n in range(4):
        for c in range(3):
            if labels[n, c] < 0:  # not known
                continue
            p, weight = score[n, c].sigmoid(), (1, 2, 1)[c]
            terms.append(-weight * p.log() if labels[n, c] else -(1 - p).log())
            right += bool(p > 0.5) == bool(labels[n, c])
    assert torch.allclose(losses["loss"], torch.stack(terms).mean())
    assert losses["acc"].item() == pytest.approx(100 * right / 11)
    with pytest.raises(ValueError, match="class_weight needs 3 values, got 2"):
        build_head({"type": "MultiLabelClsHead", "num_classes": 3, "class_weight": [1, 2]})


def test_cls_head_takes_a_class_token():
    head = build_head({"type": "ClsHead", "in_channels": 6, "num_classes": 3, "vit_backbone": True})
    token = torch.rand(4, 6)
    assert torch.equal(head([[torch.rand(4, 6, 2, 2), token]])[0], head.fc_cls(token))


def test_cls_head_takes_mixed_labels():
    head = build_head({"type": "ClsHead", "in_channels": 6, "num_classes": 3})
    target = torch.tensor([[0.7, 0.3, 0.0], [0.0, 0.0, 1.0]])
    losses = head.loss([torch.tensor([[5.0, 0.0, 0.0], [5.0, 0.0, 0.0]])], target)
    assert losses["acc"].item() == 50.0
    assert torch.isfinite(losses["loss"])


def test_class_weight_weighs_the_loss():
    cfg = {"type": "ClsHead", "in_channels": 6, "num_classes": 2}
    plain, weighed = build_head(cfg), build_head({**cfg, "class_weight": [1.0, 3.0]})
    assert not any("criterion" in name for name in plain.state_dict())
    score, labels = torch.tensor([[0.0, 0.0], [2.0, 0.0]]), torch.tensor([0, 1])
    each = F.cross_entropy(score, labels, reduction="none")
    expected = (each[0] + 3 * each[1]) / 4
    assert weighed.loss([score], labels)["loss"].item() == pytest.approx(expected.item())
    with pytest.raises(ValueError, match="needs 2 values, got 3"):
        build_head({**cfg, "class_weight": [1, 2, 3]})


def test_contrastive_head():
    head = build_head({"type": "ContrastiveHead", "temperature": 0.5})
    pos, neg = torch.rand(3, 1), torch.rand(3, 7)
    expected = F.cross_entropy(torch.cat([pos, neg], 1) / 0.5, torch.zeros(3, dtype=torch.long))
    assert head(pos, neg)["loss"].item() == pytest.approx(expected.item())
    assert head.state_dict() == {}
    with pytest.raises(ValueError, match="got 0"):
        build_head({"type": "ContrastiveHead", "temperature": 0})


@pytest.mark.parametrize("pool_type", ["adaptive", "specified"])
def test_multi_cls_head_classifies_each_stage(pool_type):
    head = build_head(
        {"type": "MultiClsHead", "pool_type": pool_type, "in_indices": range(5), "num_classes": 3}
    )
    maps = [torch.rand(2, c, s, s) for c, s in zip(CHANNELS, SIDES, strict=True)]
    scores = head(maps)
    assert [tuple(s.shape) for s in scores] == [(2, 3)] * 5
    assert [fc.in_features for fc in head.fcs] == [9216, 9216, 8192, 9216, 8192]
    losses = head.loss(scores, torch.tensor([0, 2]))
    assert list(losses) == [f"{kind}.{i}" for i in range(1, 6) for kind in ("loss", "acc")]


def test_multi_cls_head_with_the_last_map_as_it_is():
    head = build_head(
        {
            "type": "MultiClsHead",
            "in_indices": (4,),
            "with_last_layer_unpool": True,
            "num_classes": 3,
        }
    ).eval()
    last = torch.rand(2, 2048, 7, 7)
    assert torch.equal(head([last])[1], head.fcs[1](last.flatten(1)))


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ({"backbone": "resnet18"}, "resnet50.*resnet18"),
        ({"pool_type": "max"}, "'adaptive' or 'specified', got 'max'"),
        ({"in_indices": (5,)}, "0..4"),
    ],
)
def test_multi_cls_head_names_what_is_wrong(kwargs, words):
    with pytest.raises((ValueError, KeyError, IndexError), match=words):
        build_head({"type": "MultiClsHead", **kwargs})


def test_multi_cls_head_wants_as_many_maps_as_indices():
    head = build_head({"type": "MultiClsHead", "in_indices": (0, 1)})
    with pytest.raises(ValueError, match="names 2 stages, the backbone gave 1"):
        head([torch.rand(2, 64, 8, 8)])


def test_latent_predict_head():
    predictor = {
        "type": "NonLinearNeck",
        "in_channels": 6,
        "hid_channels": 5,
        "out_channels": 6,
        "with_avg_pool": False,
        "norm_cfg": {"type": "BN1d"},
    }
    head = build_head({"type": "LatentPredictHead", "predictor": predictor}).eval()
    x, target = torch.rand(4, 6), torch.rand(4, 6, requires_grad=True)
    loss = head(x, target)["loss"]
    cosine = F.cosine_similarity(head.predictor([x])[0], target)
    assert loss.item() == pytest.approx(-cosine.mean().item())
    loss.backward()
    assert target.grad is None


def test_latent_cls_head():
    head = build_head({"type": "LatentClsHead", "in_channels": 6, "num_classes": 3})
    head.init_weights()
    assert head.predictor.weight.std() < 0.02
    x, target = torch.rand(4, 6), torch.rand(4, 6, requires_grad=True)
    labels = head.predictor(target).argmax(dim=1)
    loss = head(x, target)["loss"]
    assert loss.item() == pytest.approx(F.cross_entropy(head.predictor(x), labels).item())
    loss.backward()
    assert target.grad is None
