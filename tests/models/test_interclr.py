"""InterCLR as a whole: its two losses, its memory, and what it refuses."""

import copy

import pytest
import torch
import torch.nn.functional as F

from mmselfsup.models import build_algorithm
from mmselfsup.models.losses import info_nce
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY, fill_memory, two_views

CFG = {**TINY["InterCLRMoCo"].cfg, "online_labels": True}


def make(**changes):
    torch.manual_seed(0)
    model = build_algorithm({**CFG, **changes})
    fill_memory(model)
    return model


BATCH = two_views(4, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("share_neck", [True, False])
def test_losses_are_the_papers(share_neck):
    model = make(share_neck=share_neck)
    other = copy.deepcopy(model)
    losses = model(**BATCH)
    other.momentum_update()
    images_q, images_k = BATCH["img"]
    neck_q = other.neck if share_neck else other.inter_neck_q
    neck_k = other.encoder_k[1] if share_neck else other.inter_neck_k
    map_q, map_k = other.encoder_q[0](images_q), other.encoder_k[0](images_k)
    q, k = (
        F.normalize(other.neck(map_q)[0], dim=1),
        F.normalize(other.encoder_k[1](map_k)[0], dim=1),
    )
    intra = info_nce((q * k).sum(dim=1, keepdim=True), q @ other.queue, 0.5)
    torch.testing.assert_close(losses["intra_loss"], 0.75 * intra)
    q, k = F.normalize(neck_q(map_q)[0], dim=1), F.normalize(neck_k(map_k)[0], dim=1)
    bank = other.memory_bank.feature_bank
    expected = 0.0
    for i in range(4):  # each image is a cluster: its own row is the positive
        rest = torch.stack([q[i] @ bank[j] for j in range(12) if j != i])
        pos = (q[i] @ bank[i] + 0.5).view(1, 1)
        expected += info_nce(pos, rest.sort(descending=True).values[:5].view(1, 5), 0.5) / 4
    torch.testing.assert_close(losses["inter_loss"], 0.25 * expected)
    moved = F.normalize(F.normalize(k, dim=1) * 0.5 + bank[:4] * 0.5, dim=1)
    torch.testing.assert_close(model.memory_bank.feature_bank[:4], moved)
    nearest = (moved @ other.memory_bank.centroids.T).argmax(dim=1)
    assert model.memory_bank.label_bank[:4].tolist() == nearest.tolist()
    assert model.queue_ptr.item() == 4


def test_offline_labels_stay():
    model = make(online_labels=False)
    before = copy.deepcopy(model.memory_bank.state_dict())
    assert set(model(**BATCH)) == {"intra_loss", "inter_loss"}
    after = model.memory_bank.state_dict()
    assert torch.equal(after["label_bank"], before["label_bank"])
    assert not torch.equal(after["feature_bank"], before["feature_bank"])


def test_the_gradient_reaches_all_that_is_trained():
    model = make(share_neck=False)
    sum(v for k, v in model(**BATCH).items() if "loss" in k).backward()
    for name, parameter in model.named_parameters():
        frozen = name.startswith(("encoder_k", "inter_neck_k"))
        assert parameter.requires_grad is not frozen
        assert (parameter.grad is None) is frozen, name


def test_what_is_refused():
    for changes, words in (
        (dict(memory_bank=None), "needs a neck and a head and a memory_bank"),
        (dict(neg_sampling="easy"), "hard, semihard, random, semieasy"),
        (dict(neg_num=0), "neg_num=0 must lie in"),
        (dict(neg_sampling="semihard", semihard_neg_pool_num=3), "neg_num=5 must lie in"),
        (dict(num_classes=3), "num_classes=3 is less than the 12"),
    ):
        with pytest.raises(ArgumentError, match=words):
            build_algorithm({**CFG, **changes})
    with pytest.raises(ArgumentError, match="memory of InterCLR is empty"):
        build_algorithm(CFG)(**BATCH)
    with pytest.raises(ArgumentError, match="don't fit a memory of 12 images"):
        make().memory_bank.assign_label([1, 2])
