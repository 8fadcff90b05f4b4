"""The head with metadata against a slow computation, and what training hides from it."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mmselfsup.models import build_head
from mmselfsup.models.heads.metadata_cls_head import HideMetadata
from mmselfsup.utils.errors import UserError
from mmselfsup.utils.patients import WIDTH, encode_patient

PEOPLE = [
    dict(age=55, site="head/neck", sex="male"),
    dict(age=30, site="lateral torso", sex="female"),
    dict(age=None, site="palms/soles", sex=""),
    dict(age=85, site="", sex="female"),
    {},
]


def patients() -> Tensor:
    return torch.stack([torch.from_numpy(encode_patient(**p)) for p in PEOPLE])  # type: ignore[arg-type]


def head(**changes: Any) -> Any:
    cfg = dict(
        type="MetadataClsHead", with_avg_pool=True, in_channels=6, num_classes=3,
        metadata_channels=(5, 4), fusion_channels=7,
    )  # fmt: skip
    made = build_head({**cfg, **changes})
    for parameter in made.parameters():  # norms and biases that do something
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def slow_layers(net: Any, row: list[float]) -> list[float]:
    """Linear, layer norm, ReLU, number by number; dropout does nothing in a test."""
    layers = list(net)
    for linear, norm in zip(layers[0::4], layers[1::4], strict=True):
        weight, bias = linear.weight.tolist(), linear.bias.tolist()
        out = [
            sum(w * x for w, x in zip(ws, row, strict=True)) + b
            for ws, b in zip(weight, bias, strict=True)
        ]
        mean = sum(out) / len(out)
        spread = math.sqrt(sum((x - mean) ** 2 for x in out) / len(out) + norm.eps)
        gains, shifts = norm.weight.tolist(), norm.bias.tolist()
        scaled = [(x - mean) / spread * g + s for x, g, s in zip(out, gains, shifts, strict=True)]
        row = [max(x, 0.0) for x in scaled]
    return row


@pytest.mark.parametrize("fusion", [None, 7])
def test_against_a_slow_computation(fusion: int | None) -> None:
    net = head(fusion_channels=fusion).double().eval()
    x, codes = torch.rand(5, 6, 2, 3).double(), patients().double()
    (found,) = net([x], codes)
    for image, code, scores in zip(x, codes, found, strict=True):
        row = [sum(channel.flatten().tolist()) / 6 for channel in image]
        row = slow_layers(net.fusion, row + slow_layers(net.metadata_net, code.tolist()))
        for c, score in enumerate(scores.tolist()):
            weight = net.fc_cls.weight[c].tolist()
            by_hand = sum(w * v for w, v in zip(weight, row, strict=True))
            assert score == pytest.approx(by_hand + net.fc_cls.bias[c].item(), abs=1e-12)


def test_gradients() -> None:
    net = head(dropout=0.0, missing_prob=0.0).double()
    x, codes = torch.rand(3, 6, 1, 1).double().requires_grad_(), patients()[:3].double()
    assert torch.autograd.gradcheck(lambda x: net([x], codes)[0], (x,))
    net([x], codes)[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_only_a_fusion_layer_lets_metadata_change_what_an_image_means() -> None:
    codes = patients()[:2]
    for fusion, independent in ((None, True), (7, False)):
        net = head(fusion_channels=fusion).eval()
        x = torch.rand(2, 6, 1, 1)
        changes = [net([x[[i, i]]], codes)[0] for i in (0, 1)]
        same = torch.allclose(changes[0][1] - changes[0][0], changes[1][1] - changes[1][0])
        assert same == independent


def test_what_is_hidden() -> None:
    hide, codes = HideMetadata(0.3), patients()[:1].repeat(20_000, 1)
    before = codes.clone()
    torch.manual_seed(0)
    out = hide(codes)
    assert torch.equal(codes, before)
    nothing = torch.from_numpy(encode_patient())
    gone = []
    for part in (slice(0, 2), slice(2, 11), slice(11, 14)):
        hidden = (out[:, part] == nothing[part]).all(dim=1)
        kept = (out[:, part] == codes[:, part]).all(dim=1)
        assert torch.all(hidden ^ kept)  # a part is hidden as a whole or not at all
        gone.append(hidden)
    hidden_parts = torch.stack(gone).float()
    torch.testing.assert_close(hidden_parts.mean(dim=1), torch.full((3,), 0.3), atol=0.015, rtol=0)
    together = (hidden_parts @ hidden_parts.T / len(codes))[[0, 0, 1], [1, 2, 2]]
    torch.testing.assert_close(together, torch.full((3,), 0.09), atol=0.01, rtol=0)
    assert torch.equal(hide.eval()(codes), codes)
    assert torch.equal(HideMetadata(0.0)(codes), codes)
    assert torch.equal(HideMetadata(1.0)(codes), nothing.expand(len(codes), WIDTH))
    assert not hide.state_dict()


def test_training_hides_and_a_test_does_not() -> None:
    net, x, codes = head(dropout=0.0, missing_prob=1.0), torch.rand(5, 6, 2, 2), patients()
    nobody = torch.from_numpy(encode_patient()).expand(5, -1)
    hidden = net.train()([x], codes)[0]
    seen = net.eval()([x], codes)[0]
    torch.testing.assert_close(hidden, net([x], nobody)[0])
    assert not torch.allclose(hidden[:4], seen[:4])
    torch.testing.assert_close(hidden[4], seen[4])  # of whom nothing was known


def test_it_learns_from_the_metadata() -> None:
    """Images of noise; the class is the sex."""
    torch.manual_seed(0)
    net = build_head(dict(type="MetadataClsHead", in_channels=6, num_classes=2))
    net.init_weights()
    assert net.fc_cls.weight.std() < 0.02
    labels = torch.arange(64) % 2
    codes = torch.stack(
        [torch.from_numpy(encode_patient(50, "", ["female", "male"][k])) for k in labels]
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for _ in range(20):
        optimizer.zero_grad()
        net.loss(net([torch.rand(64, 6)], codes), labels)["loss"].backward()
        optimizer.step()
    assert (net.eval()([torch.rand(64, 6)], codes)[0].argmax(dim=1) == labels).all()


def test_a_batch_of_one_a_token_and_a_cosine() -> None:
    codes = patients()[:1]
    assert head().train()([torch.rand(1, 6, 2, 2)], codes)[0].shape == (1, 3)
    token = head(with_avg_pool=False, vit_backbone=True)
    assert token([[torch.rand(1, 6, 2, 2), torch.rand(1, 6)]], codes)[0].shape == (1, 3)
    ldam = head(loss=dict(type="LDAMLoss", class_counts=[9, 3, 1]))
    assert ldam([torch.rand(1, 6, 2, 2)], codes)[0].abs().max() <= 30


def test_mistakes() -> None:
    with pytest.raises(UserError, match=r"needs age, site and sex: .* patients='.*Metadata\.csv'"):
        head()([torch.rand(1, 6, 2, 2)])
    with pytest.raises(ValueError, match="missing_prob must be 0 to 1"):
        head(missing_prob=1.5)
    with pytest.raises(ValueError, match="metadata_channels needs a width or more"):
        head(metadata_channels=())
