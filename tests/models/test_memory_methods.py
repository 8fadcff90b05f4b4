"""NPID, ODC, DeepCluster and their memories: arguments, lengths, checkpoints, negatives."""

import copy

import pytest
import torch
from mmcv import Config

from mmselfsup.apis.test import trained_model
from mmselfsup.core.checkpoint import load_weights
from mmselfsup.models import build_algorithm
from mmselfsup.models.memories import ODCMemory, SimpleMemory
from mmselfsup.utils.data_info import DataInfo, fit_to_data
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.contract.tiny_models import TINY

SIZE = DataInfo(num_images=20, batch_size=4)


def tiny(name, **changes):
    cfg = copy.deepcopy(TINY[name].cfg)
    cfg.get("memory_bank", {}).update(changes)
    return build_algorithm(cfg)


@pytest.mark.parametrize("name", ["NPID", "ODC"])
def test_length_comes_from_the_data(name):
    model = tiny(name, length=None)
    fit_to_data(model.modules(), SIZE)
    assert all(len(b) == 20 for b in (model.memory_bank.feature_bank,))
    TINY[name].prepare(model)
    batch = TINY[name].batch(4, torch.Generator().manual_seed(0))
    assert torch.isfinite(model.train_step(batch)["loss"])


@pytest.mark.parametrize("name", ["NPID", "ODC"])
def test_another_length_is_refused_with_the_right_one(name):
    with pytest.raises(UserError, match=r"length is 1281167, but .* 20 images: set it to 20"):
        fit_to_data(tiny(name, length=1281167).modules(), SIZE)


def test_no_length_and_no_data():
    batch = TINY["NPID"].batch(4, torch.Generator())
    with pytest.raises(ValueError, match=r"probs|no length"):
        tiny("NPID", length=None).train_step(batch)
    with pytest.raises(ArgumentError, match="no length"):
        SimpleMemory(None, 4, 0.5).update(torch.tensor([0]), torch.ones(1, 4))


def test_too_few_images_for_the_clusters():
    with pytest.raises(UserError, match="20 training images can't fill 3 clusters of at least 7"):
        fit_to_data(tiny("ODC", length=None, min_cluster=7).modules(), SIZE)


def test_one_image_has_no_negative():
    with pytest.raises(UserError, match="NPID needs 2"):
        fit_to_data(tiny("NPID", length=None).modules(), DataInfo(1, 1))


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("NPID", "head"),
        ("NPID", "memory_bank"),
        ("ODC", "head"),
        ("ODC", "memory_bank"),
        ("DeepCluster", "head"),
    ],
)
def test_parts_that_are_needed(name, part):
    with pytest.raises(AssertionError, match=part):
        build_algorithm({**TINY[name].cfg, part: None})


def test_a_neck_is_not_needed():
    for name in ("NPID", "DeepCluster"):
        cfg = copy.deepcopy({**TINY[name].cfg, "neck": None})
        if name == "DeepCluster":
            cfg["head"]["with_avg_pool"] = True
            model = build_algorithm(cfg)
        else:
            cfg["memory_bank"]["feat_dim"] = 32
            model = build_algorithm(cfg)
        batch = TINY[name].batch(4, torch.Generator().manual_seed(0))
        assert torch.isfinite(model.train_step(batch)["loss"])


def test_memory_and_head_agree_on_the_clusters():
    with pytest.raises(ArgumentError, match="memory_bank has 4 clusters and the head 3"):
        tiny("ODC", num_classes=4)


@pytest.mark.parametrize("wrong", [{"feat_dim": 0}, {"length": 0}, {"momentum": 1.5}])
def test_sizes_and_momentum(wrong):
    with pytest.raises(ArgumentError):
        SimpleMemory(**{"length": 3, "feat_dim": 2, "momentum": 0.5, **wrong})


def test_the_memory_of_odc_must_be_filled():
    batch = TINY["ODC"].batch(4, torch.Generator())
    with pytest.raises(AssertionError, match="init_memory"):
        tiny("ODC").train_step(batch)


def test_features_and_labels_must_fit_the_memory():
    memory = ODCMemory(6, 4, 0.5, 3, 1)
    with pytest.raises(ArgumentError, match="don't fit"):
        memory.init_memory(torch.ones(5, 4), torch.zeros(5, dtype=torch.long))
    with pytest.raises(ArgumentError, match=r"0\.\.2"):
        memory.init_memory(torch.ones(6, 4), torch.full((6,), 3))


def test_banks_are_saved_and_an_old_checkpoint_lacks_only_them(tmp_path):
    model = tiny("ODC")
    TINY["ODC"].prepare(model)
    torch.save({"state_dict": model.state_dict()}, tmp_path / "new.pth")
    old = {k: v for k, v in model.state_dict().items() if not k.startswith("memory_bank")}
    torch.save({"state_dict": old}, tmp_path / "old.pth")
    fresh = tiny("ODC")
    report = load_weights(fresh, str(tmp_path / "old.pth"))
    assert report.complete
    assert all(name.startswith("memory_bank.") for name in report.missing)
    assert not report.unexpected
    assert not fresh.memory_bank.initialized
    assert not load_weights(fresh, str(tmp_path / "new.pth")).missing
    assert fresh.memory_bank.initialized
    assert torch.equal(fresh.memory_bank.label_bank, model.memory_bank.label_bank)


def test_class_weights_are_used_and_not_saved():
    model = tiny("DeepCluster")
    names = set(model.state_dict())
    batch = TINY["DeepCluster"].batch(4, torch.Generator().manual_seed(0))
    model.set_reweight(torch.tensor([0, 0, 0, 0, 1, 2]).numpy(), 1.0)
    assert model.loss_weight.tolist() == pytest.approx([0.25 / 2.25, 1 / 2.25, 1 / 2.25])
    assert set(model.state_dict()) == names
    scores = model.head(model.project(batch["img"]))[0]
    weight, labels = model.loss_weight, batch["pseudo_label"]
    log_p = scores.log_softmax(1)
    expected = -sum(weight[y] * log_p[i, y] for i, y in enumerate(labels)) / weight[labels].sum()
    assert model(**batch)["loss"].item() == pytest.approx(expected.item(), rel=1e-4)


def test_scores_of_the_clusters():
    for name in ("DeepCluster", "ODC"):
        model = tiny(name)
        scores = model(torch.rand(2, 3, 32, 32), mode="test")
        assert {key: tuple(value.shape) for key, value in scores.items()} == {"head0": (2, 3)}


def test_negatives_come_from_the_whole_bank():
    model = build_algorithm({**TINY["NPID"].cfg, "neg_num": 400})
    drawn = model.draw_negatives(torch.arange(3))
    assert drawn.shape == (3, 400)
    assert set(drawn.flatten().tolist()) == set(range(12))


def test_an_image_is_not_its_own_negative():
    model = build_algorithm({**TINY["NPID"].cfg, "neg_num": 5000, "ensure_neg": True})
    own = torch.tensor([0, 5, 11])
    drawn = model.draw_negatives(own)
    assert not (drawn == own[:, None]).any()
    for row, i in zip(drawn, own.tolist(), strict=True):
        share = torch.bincount(row, minlength=12) / 5000
        others = [float(share[k]) for k in range(12) if k != i]
        assert max(abs(s - 1 / 11) for s in others) < 0.02  # four standard deviations


def test_the_table_of_draws_follows_the_length():
    memory = SimpleMemory(3, 2, 0.5)
    assert memory.multinomial.draw(50).max() < 3
    memory.allocate(9)
    assert memory.multinomial.draw(200).max() > 2
    memory.multinomial = "mine"
    assert memory.multinomial == "mine"


def test_config_of_0x_on_other_data():
    cfg = Config.fromfile("configs/selfsup/npid/npid_resnet50_8xb32-steplr-200e_in1k.py")
    bank = SimpleMemory(**{k: v for k, v in cfg.model.memory_bank.items() if k != "type"})
    with pytest.raises(UserError, match="set it to 20"):
        bank.fit_dataset(SIZE)


def test_a_checkpoint_without_banks_is_enough_for_a_test(tmp_path):
    model = tiny("ODC")
    old = {k: v for k, v in model.state_dict().items() if not k.startswith("memory_bank")}
    torch.save({"state_dict": old}, tmp_path / "old.pth")
    cfg = Config({"model": TINY["ODC"].cfg})
    assert not trained_model(cfg, str(tmp_path / "old.pth")).memory_bank.initialized
    del old["head.fc_cls.weight"]
    torch.save({"state_dict": old}, tmp_path / "less.pth")
    with pytest.raises(UserError, match=r"1 names .*head\.fc_cls\.weight"):
        trained_model(cfg, str(tmp_path / "less.pth"))
