"""CAE against its paper, written plainly, and its tokenizer."""

import copy

import pytest
import torch

from mmselfsup.models import build_algorithm, build_head
from mmselfsup.models.backbones.cae_vit import select_patches
from mmselfsup.models.utils.cae_blocks import (
    CAETransformerRegressorLayer,
    CrossMultiheadAttention,
)
from mmselfsup.models.utils.dall_e import Encoder
from mmselfsup.models.utils.masked_places import masked_places
from mmselfsup.utils.errors import ArgumentError, UserError
from tests.contract.tiny_models import TINY, TOKENIZER

HEAD = {"type": "CAEHead", "lambd": 2, "tokenizer": TOKENIZER}


def tiny():
    torch.manual_seed(0)
    model = build_algorithm(copy.deepcopy(TINY["CAE"].cfg))
    model.init_weights()
    for parameter in model.teacher.parameters():  # a teacher that differs from the encoder
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval(), TINY["CAE"].batch(2, torch.Generator().manual_seed(0))["img"]


def test_the_loss_is_that_of_the_paper():
    model, (img, target, mask) = tiny()
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        losses = model.forward_train([img, target, mask])
        masked = mask.flatten(1)  # [N, L]
        normal = (img - mean[:, None, None]) / std[:, None, None]
        words = model.head.encoder(0.8 * target + 0.1).argmax(dim=1).flatten(1)  # [N, L]
        main = align = 0.0
        for n in range(2):  # one image after the other, patch by patch
            one, hidden = normal[n : n + 1], masked[n : n + 1]
            visible = model.backbone(one, hidden)[:, 1:]
            taught = model.teacher(one, ~hidden)[0, 1:]  # [M, C]
            places = model.backbone.pos_embed[:, 1:]
            scores, latent = model.neck(visible, places[:, hidden[0]], places[:, ~hidden[0]])
            for m, patch in enumerate(hidden[0].nonzero().flatten()):
                main -= scores[0, m].log_softmax(0)[words[n, patch]].item()
                align += (latent[0, m] - taught[m]).square().mean().item()
    count = int(masked.sum())
    assert losses["main"].item() == pytest.approx(main / count, rel=1e-5)
    assert losses["align"].item() == pytest.approx(2 * align / count, rel=1e-4)
    assert losses["loss"].item() == pytest.approx((main + 2 * align) / count, rel=1e-5)


def test_masked_pixels_are_not_seen_by_the_encoder():
    model, (img, _, mask) = tiny()
    hidden = mask.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, None]
    other = torch.where(hidden, torch.rand_like(img), img)
    assert torch.equal(model.backbone(img, mask), model.backbone(other, mask))


def test_an_empty_mask_changes_no_feature():
    model, (img, _, mask) = tiny()
    whole = model.extract_feat(img)[0][1]
    tokens = model.extract_feat(img, torch.zeros_like(mask))
    torch.testing.assert_close(whole, tokens[:, 0])


def test_the_teacher_gets_no_gradient_and_follows_the_encoder():
    model, batch = tiny()
    model.train()
    model.forward_train(batch)["loss"].backward()
    assert all(p.grad is None for p in model.teacher.parameters())
    assert all(p.grad is None for p in model.head.encoder.parameters())
    for a, b in zip(model.teacher.parameters(), model.backbone.parameters(), strict=True):
        assert torch.equal(a, b)  # a momentum of 0


def test_the_teacher_stays_in_evaluation_and_within_a_step():
    model, batch = tiny()
    before = copy.deepcopy(model.teacher.state_dict())
    model.forward_train(batch)
    model.train()
    model.starts_step = False
    model.forward_train(batch)
    for name, value in model.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_cross_attention_is_the_softmax_of_scaled_products():
    torch.manual_seed(0)
    attention = CrossMultiheadAttention(8, 2, qkv_bias=True)
    torch.nn.init.normal_(attention.q_bias)
    torch.nn.init.normal_(attention.v_bias)
    x, k, v = torch.rand(1, 3, 8), torch.rand(1, 5, 8), torch.rand(1, 5, 8)
    query = x @ attention.q.weight.T + attention.q_bias
    key, value = k @ attention.k.weight.T, v @ attention.v.weight.T + attention.v_bias
    heads = [
        (query[..., s] @ key[..., s].transpose(1, 2) / 2).softmax(dim=-1) @ value[..., s]
        for s in (slice(0, 4), slice(4, 8))
    ]
    torch.testing.assert_close(attention(x, k, v), attention.proj(torch.cat(heads, dim=2)))


def test_patches_are_selected_in_their_order():
    tokens = torch.arange(8.0).view(1, 4, 2)
    chosen = torch.tensor([[True, False, False, True], [False, True, True, False]])
    got = select_patches(tokens, masked_places(chosen), 2)
    assert got.tolist() == [[[0, 1], [6, 7]], [[2, 3], [4, 5]]]


def test_a_word_stands_for_each_8_by_8_pixels():
    scores = Encoder(**TOKENIZER)(torch.rand(2, 3, 32, 48))
    assert scores.shape == (2, 16, 4, 6)


def test_the_tokenizer_is_read_from_its_file(tmp_path):
    torch.manual_seed(3)
    weights = Encoder(**TOKENIZER).state_dict()
    torch.save(weights, tmp_path / "dalle.pth")
    head = build_head({**HEAD, "tokenizer_path": str(tmp_path / "dalle.pth")})
    head.init_weights()
    for name, value in head.encoder.state_dict().items():
        assert torch.equal(value, weights[name])
    assert not any(p.requires_grad for p in head.encoder.parameters())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not there"),
        (b"no checkpoint", "no file of weights"),
        ({"blocks.input.w": torch.zeros(2)}, "other weights"),
        ([1, 2], "other weights"),
    ],
)
def test_a_file_that_is_no_tokenizer_is_said(tmp_path, content, message):
    path = tmp_path / "dalle.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    head = build_head({**HEAD, "tokenizer_path": str(path)})
    with pytest.raises(UserError, match=message) as error:
        head.init_weights()
    assert "\n" not in str(error.value)


def test_other_batches_are_said():
    model, (img, _, mask) = tiny()
    for batch in (img, [img, mask]):
        with pytest.raises(ArgumentError, match="BEiTMaskGenerator"):
            model.forward_train(batch)


def test_a_regressor_without_trained_factors_has_ones_that_stay():
    torch.manual_seed(0)
    fixed = CAETransformerRegressorLayer(8, 2, 16)
    assert torch.equal(fixed.gamma_1_cross, torch.ones(8))
    assert not fixed.gamma_1_cross.requires_grad
    assert not fixed.gamma_2_cross.requires_grad
    trained = CAETransformerRegressorLayer(8, 2, 16, init_values=1.0)
    trained.load_state_dict(fixed.state_dict())  # the same names
    q, kv = torch.rand(1, 3, 8), torch.rand(1, 5, 8)
    assert torch.equal(trained(q, kv, q, kv), fixed(q, kv, q, kv))
