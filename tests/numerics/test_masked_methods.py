"""MaskFeat and SimMIM against their papers, patch by patch."""

import pytest
import torch

from mmselfsup.models import build_algorithm, build_backbone, build_head
from mmselfsup.utils.errors import ArgumentError
from tests.contract.tiny_models import TINY

GENERATOR = torch.Generator().manual_seed(0)


def tiny(name):
    torch.manual_seed(0)
    model = build_algorithm(TINY[name].cfg)
    model.init_weights()
    return model.eval(), TINY[name].batch(2, torch.Generator().manual_seed(0))["img"]


def test_maskfeat_is_the_error_of_masked_patches():
    model, (img, mask) = tiny("MaskFeat")
    with torch.no_grad():
        loss = model.forward_train([img, mask])["loss"].item()
        predicted = model.head.head(model.backbone(img, mask)[:, 1:])  # [N, L, D]
        target = model.hog_layer(img)
    errors = []
    for n in range(2):
        for row in range(4):
            for column in range(4):
                if mask[n, row, column]:
                    patch = row * 4 + column
                    errors.append(((predicted[n, patch] - target[n, patch]) ** 2).mean().item())
    assert loss == pytest.approx(sum(errors) / len(errors), rel=1e-5)


def test_simmim_is_the_distance_of_masked_pixels():
    model, (img, mask) = tiny("SimMIM")
    with torch.no_grad():
        loss = model.forward_train([img, mask])["loss"].item()
        predicted = model.neck(model.backbone(img, mask))  # [N, C, H, W]
    total = pixels = 0
    for n in range(2):
        for row in range(64):
            for column in range(64):
                if mask[n, row // 4, column // 4]:
                    difference = predicted[n, :, row, column] - img[n, :, row, column]
                    total += difference.abs().sum().item()
                    pixels += 3
    assert loss == pytest.approx(total / pixels, rel=1e-5)


@pytest.mark.parametrize("name", ["MaskFeat", "SimMIM"])
def test_masked_pixels_are_not_seen(name):
    model, (img, mask) = tiny(name)
    side = img.shape[2] // mask.shape[1]
    hidden = mask.repeat_interleave(side, 1).repeat_interleave(side, 2)[:, None]
    other = torch.where(hidden, torch.rand(img.shape, generator=GENERATOR), img)
    with torch.no_grad():
        seen, changed = model.backbone(img, mask), model.backbone(other, mask)
    for a, b in zip(seen, changed, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("name", ["MaskFeat", "SimMIM"])
def test_an_empty_mask_changes_no_feature(name):
    model, (img, mask) = tiny(name)
    with torch.no_grad():
        whole, masked = model.extract_feat(img)[0], model.backbone(img, torch.zeros_like(mask))
    if name == "MaskFeat":
        torch.testing.assert_close(whole[1], masked[:, 0])
    else:
        torch.testing.assert_close(whole, masked[0])


def test_a_batch_without_masked_patches_has_no_loss():
    model, (img, mask) = tiny("SimMIM")
    assert model.forward_train([img, torch.zeros_like(mask)])["loss"].item() == 0


@pytest.mark.parametrize("name", ["MaskFeat", "SimMIM"])
def test_batches_without_masks_are_said(name):
    model, (img, _) = tiny(name)
    for batch in (img, [img], [img, img]):
        with pytest.raises(ArgumentError, match="mask generator"):
            model.forward_train(batch)


def test_weights_of_simmim_are_those_of_swin():
    cfg = TINY["SimMIM"].cfg["backbone"]
    ours = build_backbone(cfg).eval()
    swin = build_backbone({**cfg, "type": "mmcls.SwinTransformer"})
    swin.eval()  # mmcls returns None here
    missing, unexpected = swin.load_state_dict(ours.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ["mask_token"])
    img = torch.rand(1, 3, 64, 64, generator=GENERATOR)
    with torch.no_grad():
        assert torch.equal(ours(img)[0], swin(img)[0])


def test_the_classifier_of_maskfeat_gives_logits():
    head = build_head({"type": "MaskFeatFinetuneHead", "embed_dim": 4, "num_classes": 3})
    head.init_weights()
    assert 0.01 < head.head.weight.std() < 0.03
    x = torch.rand(2, 4, generator=GENERATOR)
    assert torch.equal(head.eval()(x)[0], head.head(x))


def test_simmim_shows_what_it_predicts():
    model, (img, mask) = tiny("SimMIM")
    result = model.reconstruct([img, mask])
    assert torch.equal(result.mask.bool(), model.head.pixels(mask))
    assert torch.equal(result.masked, img * (1 - result.mask))
    assert torch.equal(result.output, model.neck(model.backbone(img, mask)))
