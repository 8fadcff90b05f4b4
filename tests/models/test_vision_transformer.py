"""Vision transformers against mmcls's, their parts against plain formulas, and their options."""

import math

import pytest
import torch
from mmcls.models.backbones import VisionTransformer as Reference

from mmselfsup.models import build_backbone
from mmselfsup.models.backbones.base_vit import BaseViT
from mmselfsup.models.utils.position_embedding import (
    build_2d_sincos_position_embedding,
    resize_position_embedding,
)
from mmselfsup.models.utils.transformer_blocks import (
    MultiheadAttention,
    MultiheadAttentionWithRPE,
    TransformerEncoderLayer,
)
from mmselfsup.utils.errors import ArgumentError

ARCH = {"embed_dims": 32, "num_layers": 3, "num_heads": 4, "feedforward_channels": 64}
SMALL = {"arch": ARCH, "img_size": 32, "patch_size": 8}


def vit(**kwargs):
    return build_backbone({"type": "VisionTransformer", **SMALL, **kwargs})


def same_weights(**kwargs):
    """A transformer of this package and mmcls's, with equal weights drawn at random."""
    torch.manual_seed(0)
    ours, reference = BaseViT(**SMALL, **kwargs), Reference(**SMALL, **kwargs)
    for parameter in reference.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    ours.load_state_dict(reference.state_dict())  # strict: the names are mmcls's
    return ours, reference


@pytest.mark.parametrize("size", [(32, 32), (40, 24)])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_features_and_gradients_equal_mmcls(size, qkv_bias):
    ours, reference = same_weights(qkv_bias=qkv_bias)
    x = torch.rand(2, 3, *size)
    for got, expected in zip(ours(x)[0], reference(x)[0], strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    ours(x)[0][1].square().sum().backward()
    reference(x)[0][1].square().sum().backward()
    expected = dict(reference.named_parameters())
    for name, parameter in ours.named_parameters():
        grad = expected[name].grad
        torch.testing.assert_close(parameter.grad, grad, rtol=1e-3, atol=1e-4, msg=name)


def test_outputs_of_several_blocks_are_those_of_mmcls():
    ours, reference = same_weights(out_indices=[0, 2], output_cls_token=False)
    x = torch.rand(2, 3, 32, 32)
    got, expected = ours(x), reference(x)
    assert [tuple(o.shape) for o in got] == [(2, 32, 4, 4)] * 2
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_blocks_after_the_last_output_are_not_computed():
    model = vit(out_indices=[0])
    model.layers[1].register_forward_hook(lambda *_: pytest.fail("computed"))
    model(torch.rand(1, 3, 32, 32))


def test_checkpointing_changes_no_gradient():
    plain, saving = vit(), vit(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    x = torch.rand(2, 3, 32, 32)
    for model in (plain, saving):
        model(x)[0][1].sum().backward()
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.equal(a.grad, b.grad)


@pytest.mark.parametrize(
    ("frozen", "trained"), [(-1, 3), (0, 3), (2, 1), (3, 0)], ids=["none", "patches", "two", "all"]
)
def test_frozen_stages_do_not_train(frozen, trained):
    model = vit(frozen_stages=frozen).train()
    grads = [p.requires_grad for layer in model.layers for p in layer.parameters()]
    assert sum(grads) == trained * len(list(model.layers[0].parameters()))
    assert [layer.training for layer in model.layers] == [False] * max(frozen, 0) + [True] * trained
    assert model.patch_embed.projection.weight.requires_grad == (frozen < 0)
    assert model.cls_token.requires_grad == (frozen < 0)
    assert model.norm1.weight.requires_grad == (frozen < 3)


def test_the_patch_embedding_can_stay_random():
    model = vit(stop_grad_conv1=True)
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    assert frozen == {"pos_embed", "patch_embed.projection.weight", "patch_embed.projection.bias"}


def test_moco_v3_starts_as_its_paper_says():
    torch.manual_seed(0)
    model = vit()
    model.init_weights()
    bound = math.sqrt(6 / (32 + 32))
    weight = model.layers[0].attn.qkv.weight
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.05)
    assert model.layers[0].ffn.layers[1].bias.abs().max() == 0
    assert model.cls_token.abs().max() < 1e-5
    table = build_2d_sincos_position_embedding(4, 32, cls_token=True)
    assert torch.equal(model.pos_embed, table)


def test_sines_and_cosines_follow_the_formula():
    rows, columns, channels = 2, 3, 8
    table = build_2d_sincos_position_embedding((rows, columns), channels)[0]
    for row in range(rows):
        for column in range(columns):
            expected = [
                f(place / 10000 ** (i / 2))
                for place in (row, column)
                for f in (math.sin, math.cos)
                for i in range(2)
            ]
            torch.testing.assert_close(table[row * columns + column], torch.tensor(expected))


def test_a_checkpoint_of_another_size_is_interpolated_and_reported(caplog):
    source, target = vit(img_size=32), vit(img_size=48)
    torch.nn.init.normal_(source.pos_embed)
    target.load_state_dict(source.state_dict())
    expected = resize_position_embedding(source.pos_embed, (4, 4), (6, 6))
    assert torch.equal(target.pos_embed, expected)
    assert torch.equal(target.pos_embed[:, 0], source.pos_embed[:, 0])  # the class token's


def test_constant_positions_stay_constant_at_every_size():
    table = torch.full((1, 1 + 16, 8), 0.5)
    resized = resize_position_embedding(table, (4, 4), (7, 5))
    torch.testing.assert_close(resized, torch.full((1, 1 + 35, 8), 0.5))


def test_attention_is_the_softmax_of_scaled_products():
    torch.manual_seed(0)
    attention = MultiheadAttention(8, 2, qkv_bias=False)
    torch.nn.init.normal_(attention.q_bias)
    torch.nn.init.normal_(attention.v_bias)
    x = torch.rand(2, 5, 8)
    w_q, w_k, w_v = attention.qkv.weight.split(8)
    q, k, v = x @ w_q.T + attention.q_bias, x @ w_k.T, x @ w_v.T + attention.v_bias
    heads = []
    for part in (slice(0, 4), slice(4, 8)):
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 2).softmax(dim=-1)
        heads.append(weights @ v[..., part])
    expected = attention.proj(torch.cat(heads, dim=2))
    torch.testing.assert_close(attention(x), expected)


def test_relative_positions_have_one_bias_each():
    attention = MultiheadAttentionWithRPE(8, 2, window_size=(2, 3))
    index = attention.relative_position_index
    assert index.shape == (7, 7)
    places = [(row, column) for row in range(2) for column in range(3)]
    by_offset = {}
    for i, a in enumerate(places, start=1):
        for j, b in enumerate(places, start=1):
            by_offset.setdefault((a[0] - b[0], a[1] - b[1]), set()).add(int(index[i, j]))
    assert all(len(numbers) == 1 for numbers in by_offset.values())
    assert len(set.union(*by_offset.values())) == 3 * 5
    assert {int(i) for i in index[0, 1:]} | {int(i) for i in index[1:, 0]} == {15, 16}
    assert index[0, 0] == 17
    # The bias reaches the attention: a table that forbids all but the class token shows its value.
    with torch.no_grad():
        attention.relative_position_bias_table.fill_(-1e4)
        attention.relative_position_bias_table[[16, 17]] = 0  # place to class, class to itself
    x = torch.rand(1, 7, 8)
    value = attention.qkv(x)[:, :1, 16:]
    torch.testing.assert_close(attention(x), attention.proj(value).expand(-1, 7, -1))


def test_layer_scale_multiplies_each_branch():
    torch.manual_seed(0)
    layer = TransformerEncoderLayer(8, 2, 16, init_values=0.1)
    x = torch.rand(2, 5, 8)
    middle = x + 0.1 * layer.attn(layer.norm1(x))
    torch.testing.assert_close(layer(x), middle + 0.1 * layer.ffn(layer.norm2(middle)))
    assert {"gamma_1", "gamma_2"} <= set(layer.state_dict())


def test_stochastic_depth_grows_with_depth():
    rates = [getattr(layer.drop_path, "drop_prob", 0) for layer in vit(drop_path_rate=0.2).layers]
    assert rates == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"arch": "huge-or-so"}, "arch must be one of"),
        ({"arch": {"embed_dims": 8}}, "has no num_layers"),
        ({"out_indices": 3}, "out_indices"),
        ({"with_cls_token": False}, "with_cls_token"),
        ({"arch": {**ARCH, "num_heads": 5}}, "multiple of num_heads"),
        ({"arch": {**ARCH, "embed_dims": 34, "num_heads": 2}}, "multiple of 4"),
    ],
)
def test_bad_arguments_are_said(kwargs, message):
    with pytest.raises(ArgumentError, match=message):
        vit(**kwargs)


def test_relative_positions_have_biases_of_queries_and_values_or_none():
    names = {"qkv.weight", "proj.weight", "proj.bias", "relative_position_bias_table"}
    for qkv_bias, own in ((True, {"q_bias", "v_bias"}), (False, set()), (None, set())):
        attention = MultiheadAttentionWithRPE(8, 2, window_size=(2, 3), qkv_bias=qkv_bias)
        assert {name for name, _ in attention.named_parameters()} == names | own
        assert attention.k_bias is None


def test_one_bias_of_a_file_becomes_those_of_queries_and_values():
    torch.manual_seed(0)
    plain = MultiheadAttention(8, 2)  # one bias of queries, keys and values
    torch.nn.init.normal_(plain.qkv.bias)
    relative = MultiheadAttentionWithRPE(8, 2, window_size=(2, 3))
    missing, unexpected = relative.load_state_dict(plain.state_dict(), strict=False)
    assert set(missing) == {"relative_position_bias_table", "relative_position_index"}
    assert not unexpected
    x = torch.rand(2, 7, 8)
    torch.testing.assert_close(relative(x), plain(x))  # the bias of keys changes nothing
