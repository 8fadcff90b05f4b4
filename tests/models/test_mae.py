"""MAE's parts: masks, encoder and decoder, what it shows, and the classifiers after it."""

import pytest
import torch

from mmselfsup.evaluation.grad_cam import heat_maps
from mmselfsup.models import build_algorithm, build_backbone, build_head, build_neck
from mmselfsup.models.utils.masking import random_masking
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY

ARCH = {"embed_dims": 16, "num_layers": 2, "num_heads": 2, "feedforward_channels": 32}
VIT = {"arch": ARCH, "img_size": 32, "patch_size": 8}


def tiny(**head):
    torch.manual_seed(0)
    cfg = TINY["MAE"].cfg
    model = build_algorithm({**cfg, "head": {**cfg["head"], **head}})
    model.init_weights()
    return model


def images(n=2, height=32, width=32):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(1))


def test_a_mask_keeps_the_smallest_numbers():
    tokens = torch.arange(2 * 8 * 3.0).view(2, 8, 3)
    torch.manual_seed(4)
    kept, mask, place = random_masking(tokens, 0.75)
    torch.manual_seed(4)
    noise = torch.rand(2, 8)
    for i in range(2):
        order = sorted(range(8), key=lambda j: noise[i, j].item())
        assert torch.equal(kept[i], tokens[i, order[:2]])
        assert mask[i].tolist() == [float(j not in order[:2]) for j in range(8)]
        assert [order[p] for p in place[i]] == list(range(8))


@pytest.mark.parametrize(("ratio", "kept"), [(0.0, 4), (0.5, 2), (0.99, 1)])
def test_the_number_of_visible_patches(ratio, kept):
    assert random_masking(torch.rand(1, 4, 2), ratio)[0].shape == (1, kept, 2)


def test_the_encoder_does_not_see_hidden_patches():
    model = build_backbone({"type": "MAEViT", **VIT}).eval()
    img = images(1)
    torch.manual_seed(3)
    tokens, mask, place = model(img)
    assert tokens.shape == (1, 1 + 4, 16)
    assert mask.sum() == 12
    assert place.dtype == torch.int64
    hidden = mask[0].view(4, 4).repeat_interleave(8, 0).repeat_interleave(8, 1)
    torch.manual_seed(3)
    assert torch.equal(model(img + 5 * hidden)[0], tokens)
    torch.manual_seed(3)
    assert not torch.equal(model(img + 5 * (1 - hidden))[0], tokens)


def test_features_are_those_of_whole_images():
    model = tiny().eval()
    state = torch.get_rng_state()
    ((grid, token),) = model.extract_feat(images())
    assert (grid.shape, token.shape) == ((2, 32, 4, 4), (2, 32))
    assert torch.equal(state, torch.get_rng_state())
    unmasked = build_algorithm({**TINY["MAE"].cfg})
    unmasked.load_state_dict(model.state_dict())
    unmasked.backbone.mask_ratio = 0.0
    tokens, _, place = unmasked.backbone(images())
    torch.testing.assert_close(tokens[:, 0], token)
    places = tokens[:, 1:].gather(1, place[:, :, None].expand(-1, -1, 32))
    torch.testing.assert_close(places.transpose(1, 2).unflatten(2, (4, 4)), grid)


def test_the_seed_decides_the_loss():
    model = tiny()
    losses = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        losses.append(model.forward_train(images())["loss"].item())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("norm_pix", [True, False])
def test_a_perfect_prediction_is_the_image(norm_pix):
    model, img = tiny(norm_pix=norm_pix), images()
    target = model.head.target(img)
    torch.testing.assert_close(model.head.to_pixels(target, img), img)
    assert model.head(img, target, torch.ones(2, 16))["loss"].item() == 0


def test_reconstructions_of_images_that_are_no_squares():
    model, img = tiny(), images(2, 32, 48)
    torch.manual_seed(0)
    masked, output, mask = model.reconstruct(img)
    assert (output.shape, mask.shape) == (img.shape, (2, 1, 32, 48))
    assert torch.equal(masked, img * (1 - mask))
    torch.manual_seed(0)
    hidden, pred = model.forward_test(img)
    assert hidden.shape == pred.shape == (2, 32, 48, 3)
    assert torch.equal(hidden[..., 0], mask[:, 0])
    with pytest.raises(ArgumentError, match="32 x 44 pixels"):
        model.forward_train(images(2, 32, 44))


def test_checkpointing_changes_no_gradient():
    cfg = TINY["MAE"].cfg
    saving = {k: {**cfg[k], "with_cp": True} for k in ("backbone", "neck")}
    plain, saver = tiny(), build_algorithm({**cfg, **saving})
    saver.load_state_dict(plain.state_dict())
    for model in (plain, saver):
        torch.manual_seed(0)
        model.forward_train(images())["loss"].backward()
    for a, b in zip(plain.parameters(), saver.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        assert a.grad is None or torch.equal(a.grad, b.grad)


def test_all_that_trains_gets_a_gradient():
    model = tiny()
    model.forward_train(images())["loss"].backward()
    frozen = {name for name, p in model.named_parameters() if p.grad is None}
    assert frozen == {"backbone.pos_embed", "neck.decoder_pos_embed"}


def test_positions_of_a_checkpoint_of_another_size():
    small = build_neck({**TINY["MAE"].cfg["neck"]})
    large = build_neck({**TINY["MAE"].cfg["neck"], "num_patches": 36})
    large.load_state_dict(small.state_dict())
    torch.testing.assert_close(large.decoder_pos_embed, small.positions(36, (6, 6)))
    with pytest.raises(ArgumentError, match="square"):
        build_neck({"type": "MAEPretrainDecoder", "num_patches": 15})


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_a_ratio_out_of_range(ratio):
    with pytest.raises(ArgumentError, match="mask_ratio"):
        build_backbone({"type": "MAEViT", **VIT, "mask_ratio": ratio})


def vit(**kwargs):
    torch.manual_seed(0)
    return build_backbone({"type": "MIMVisionTransformer", **VIT, **kwargs})


def test_fine_tuning_takes_the_mean_and_a_probe_the_class_token():
    img = images()
    tuned, probed = vit(final_norm=False).eval(), vit().eval()
    tokens = tuned.encode(tuned.embed(img)[0])[-1]
    expected = torch.nn.functional.layer_norm(tokens[:, 1:].mean(dim=1), (16,), eps=1e-6)
    torch.testing.assert_close(tuned(img), expected)
    torch.testing.assert_close(probed(img), probed.encode(probed.embed(img)[0])[-1][:, 0])


def test_a_frozen_transformer_does_not_train():
    model = vit(finetune=False, drop_path_rate=0.5).train()
    assert not any(p.requires_grad for p in model.parameters())
    assert not any(layer.training for layer in model.layers)
    assert all(p.requires_grad for p in vit().parameters())


def test_relative_positions_and_layer_scale():
    names = set(vit(use_window=True, init_values=0.1, qkv_bias=False).state_dict())
    assert {"layers.1.gamma_1", "layers.1.attn.relative_position_bias_table"} <= names
    assert "layers.1.attn.qkv.bias" not in names


@pytest.mark.parametrize("head", ["MAEFinetuneHead", "MAELinprobeHead"])
def test_heads_take_vectors_and_features(head):
    model = build_head({"type": head, "embed_dim": 6, "num_classes": 3}).eval()
    model.init_weights()
    assert model.head.weight.std() < 0.02
    x = torch.rand(4, 6)
    for form in (x, [x], ([torch.rand(4, 6, 2, 2), x],)):
        assert torch.equal(model(form)[0], model(x)[0])
    loss = model.loss(model(x), torch.arange(4) % 3)["loss"]
    assert loss.item() == pytest.approx(torch.log(torch.tensor(3.0)).item(), abs=0.05)


def test_grad_cam_of_a_fine_tuned_transformer():
    head = {"type": "MAEFinetuneHead", "embed_dim": 16, "num_classes": 3}
    backbone = {"type": "MIMVisionTransformer", **VIT, "final_norm": False}
    model = build_algorithm({"type": "Classification", "backbone": backbone, "head": head}).eval()
    torch.nn.init.normal_(model.head.head.weight)
    assert model.forward_test(images())["head1"].shape == (2, 3)
    heat = heat_maps(model, images(), torch.tensor([0, 2]))
    assert heat.shape == (2, 4, 4)
    assert (heat > 0).any()


@pytest.mark.parametrize("use_window", [False, True])
def test_biases_without_qkv_bias_are_those_of_0x(use_window):
    backbone = {**TINY["MAE"].cfg["backbone"], "type": "MIMVisionTransformer"}
    model = build_backbone({**backbone, "qkv_bias": False, "use_window": use_window})
    names = {name for name in model.state_dict() if name.startswith("layers.0.attn")}
    assert ("layers.0.attn.q_bias" in names) == (not use_window)
    assert "layers.0.attn.qkv.bias" not in names


@pytest.mark.parametrize("use_window", [False, True])
def test_biases_with_qkv_bias_are_those_of_0x(use_window):
    backbone = {**TINY["MAE"].cfg["backbone"], "type": "MIMVisionTransformer"}
    model = build_backbone({**backbone, "use_window": use_window})
    names = {name for name in model.state_dict() if name.startswith("layers.0.attn")}
    assert ("layers.0.attn.q_bias" in names) == use_window
    assert ("layers.0.attn.qkv.bias" in names) != use_window
