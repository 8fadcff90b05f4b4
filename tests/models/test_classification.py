"""The classifier: names of its heads, edges, mixing, probes; and mmcls's classifier."""

import numpy as np
import pytest
import torch

from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms.classification import head_names

BACKBONE = {"type": "ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8}
HEAD = {"type": "ClsHead", "with_avg_pool": True, "in_channels": 64, "num_classes": 3}
MIXUP = {"augments": [{"type": "BatchMixup", "alpha": 0.8, "num_classes": 3, "prob": 1.0}]}


def build(backbone=(), **kwargs):
    cfg = {"type": "Classification", "backbone": {**BACKBONE, **dict(backbone)}, "head": HEAD}
    return build_algorithm({**cfg, **kwargs})


def batch(n=4):
    return {"img": torch.rand(n, 3, 32, 32), "label": torch.arange(n) % 3, "idx": torch.arange(n)}


def test_train_and_test():
    model = build()
    out = model.train_step(batch())
    assert list(out["log_vars"]) == ["loss", "acc"]
    scores = model.eval()(batch()["img"], mode="test", label=None)
    assert {k: tuple(v.shape) for k, v in scores.items()} == {"head4": (4, 3)}
    assert len(model(batch()["img"], mode="extract")) == 1


def test_heads_are_named_after_the_backbones_outputs():
    class Backbone:
        out_indices = (1, 4)

    assert head_names(Backbone(), 2) == ["head1", "head4"]
    assert head_names(Backbone(), 3) == ["head1", "head4", "head4_unpool"]
    assert head_names(object(), 1) == ["head0"]


def test_edges_for_images():
    model = build(backbone={"in_channels": 2}, with_sobel=True)
    names = [k for k in model.state_dict() if k.startswith("sobel_layer.")]
    assert names == [f"sobel_layer.sobel.{i}.{p}" for i in (0, 1) for p in ("weight", "bias")]
    model.init_weights()
    assert model.sobel_layer.sobel[1].weight[0, 0].tolist() == [[1, 0, -1], [2, 0, -2], [1, 0, -1]]
    assert torch.isfinite(model.train_step(batch())["loss"])


def test_mixing_images_and_labels():
    model = build(train_cfg=MIXUP)
    seen = {}
    model.head.register_forward_hook(lambda *_: None)
    original = model.head.loss

    def loss(scores, labels):
        seen["labels"] = labels
        return original(scores, labels)

    model.head.loss = loss
    np.random.seed(0)
    assert torch.isfinite(model.train_step(batch())["loss"])
    assert seen["labels"].shape == (4, 3)
    assert torch.allclose(seen["labels"].sum(dim=1), torch.ones(4))


def test_a_frozen_backbone_gets_no_gradient_and_keeps_its_statistics():
    model = build(backbone={"frozen_stages": 4}).train()
    before = {k: v.clone() for k, v in model.backbone.state_dict().items()}
    model.train_step(batch())["loss"].backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(torch.equal(before[k], v) for k, v in model.backbone.state_dict().items())
    assert model.head.fc_cls.weight.grad is not None


def test_a_head_is_needed():
    with pytest.raises(ValueError, match="ClsHead"):
        build(head=None)


def test_two_stages_for_a_single_head_are_refused():
    with pytest.raises(ValueError, match=r"ClsHead.*got 2.*out_indices"):
        build(backbone={"out_indices": (3, 4)})(batch()["img"], label=batch()["label"])


WRAPPER = {
    "type": "MMClsImageClassifierWrapper",
    "backbone": {"type": "mmselfsup.ResNet", "depth": 18, "stem_channels": 8, "base_channels": 8},
    "neck": {"type": "mmcls.GlobalAveragePooling"},
    "head": {
        "type": "mmcls.LinearClsHead",
        "num_classes": 3,
        "in_channels": 64,
        "cal_acc": False,
        "loss": {"type": "mmcls.LabelSmoothLoss", "label_smooth_val": 0.1, "mode": "original"},
    },
}


def test_mmcls_classifier():
    model = build_algorithm({**WRAPPER, "train_cfg": MIXUP})
    out = model.train_step(batch())
    assert isinstance(out["log_vars"]["loss"], torch.Tensor)
    assert out["num_samples"] == 4
    scores = model.eval()(batch()["img"], mode="test")["head4"]
    assert torch.allclose(scores.sum(dim=1), torch.ones(4))
    assert model(batch()["img"], mode="extract")[0].shape == (4, 64)
    with pytest.raises(ValueError, match="got 'foo'"):
        model(batch()["img"], mode="foo")


def test_mmcls_backbone_with_an_init_cfg_to_be_filled_in():
    arch = {"embed_dims": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1]}
    backbone = {"type": "mmcls.SwinTransformer", "arch": arch, "img_size": 32, "init_cfg": {}}
    backbone["pad_small_map"] = True
    head = {**WRAPPER["head"], "in_channels": 64}
    model = build_algorithm({**WRAPPER, "backbone": backbone, "head": head})
    model.init_weights()
    losses = model(torch.randn(2, 3, 32, 32), label=torch.tensor([0, 2]))
    assert torch.isfinite(losses["loss"])
