"""Pictures of reconstructions: from a training, without effect on it, and from the tool."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image
from torch.utils.data import Dataset
from torchvision.transforms import Normalize

from mmselfsup.apis.inference import reconstruction
from mmselfsup.apis.inference.reconstruction import write_reconstruction
from mmselfsup.apis.train import train_model
from mmselfsup.core.hooks import reconstruction_hook, views_image_hook
from mmselfsup.core.hooks.views_image_hook import views_picture
from mmselfsup.models import build_algorithm
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY


class Images(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, i):
        return {"img": torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(i))}


def train(folder, hooks=()):
    cfg = Config(
        dict(
            optimizer=dict(type="SGD", lr=0.05),
            log_level="ERROR",
            data=dict(samples_per_gpu=2, workers_per_gpu=0),
            lr_config=dict(policy="fixed"),
            runner=dict(type="EpochBasedRunner", max_epochs=2),
            log_config=dict(interval=1, hooks=[]),
            checkpoint_config=dict(interval=2),
            custom_hooks=list(hooks),
            work_dir=str(folder),
            seed=0,
        )
    )
    torch.manual_seed(0)
    model = build_algorithm(TINY["MAE"].cfg)
    model.init_weights()
    return train_model(model, Images(), cfg).model.state_dict()


def test_a_picture_and_no_effect(tmp_path):
    with_picture = train(tmp_path / "a")
    picture = Image.open(tmp_path / "a" / "reconstruction.png")
    assert picture.size == (4 * 34 + 2, 2 * 34 + 2)
    rare = [dict(type="ReconstructionImageHook", interval=1, num_images=1)]
    other = train(tmp_path / "b", rare)
    assert Image.open(tmp_path / "b" / "reconstruction.png").size == (4 * 34 + 2, 34 + 2)
    for name, value in with_picture.items():
        assert torch.equal(value, other[name]), name


def test_the_tool(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (45, 60, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    pipeline = [dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)]
    config = dict(model=TINY["MAE"].cfg, data=dict(train=dict(pipeline=pipeline)))
    Config(config).dump(str(tmp_path / "mae.py"))
    torch.save(build_algorithm(TINY["MAE"].cfg).state_dict(), tmp_path / "mae.pth")
    files = [str(tmp_path / name) for name in ("a.png", "mae.py", "mae.pth")]
    for name, seed in (("x.png", 0), ("y.png", 0), ("z.png", 1)):
        write_reconstruction(*files, str(tmp_path / name), "cpu", seed)
    x, y, z = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "xyz")
    assert x.shape == (36, 4 * 34 + 2, 3)
    assert np.array_equal(x, y)
    assert not np.array_equal(x, z)
    Config({"model": TINY["SimCLR"].cfg}).dump(str(tmp_path / "simclr.py"))
    with pytest.raises(UserError, match="SimCLR reconstructs no images"):
        write_reconstruction(files[0], str(tmp_path / "simclr.py"), None, "x.png", "cpu")


def test_the_tool_needs_the_decoder(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    Config(dict(model=TINY["MAE"].cfg)).dump(str(tmp_path / "mae.py"))
    encoder = build_algorithm(TINY["MAE"].cfg).backbone.state_dict()
    torch.save(encoder, tmp_path / "backbone.pth")
    files = [str(tmp_path / name) for name in ("a.png", "mae.py", "backbone.pth", "x.png")]
    with pytest.raises(UserError, match=r"such as neck\.\S+; take a checkpoint"):
        write_reconstruction(*files, "cpu")
    assert not (tmp_path / "x.png").exists()
    with pytest.raises(UserError, match=r"there is no image nowhere\.jpg"):
        write_reconstruction("nowhere.jpg", files[1], None, files[3], "cpu")


def test_the_tool_draws_masks_as_the_pipeline_does(tmp_path):
    Image.effect_noise((80, 80), 60).save(tmp_path / "a.png")
    masks = dict(type="SimMIMMaskGenerator", input_size=64, mask_patch_size=16, model_patch_size=4)
    config = dict(model=TINY["SimMIM"].cfg, data=dict(train=dict(pipeline=[masks])))
    Config(config).dump(str(tmp_path / "simmim.py"))
    torch.save(build_algorithm(TINY["SimMIM"].cfg).state_dict(), tmp_path / "simmim.pth")
    files = [str(tmp_path / name) for name in ("a.png", "simmim.py", "simmim.pth")]
    for name, seed in (("x.png", 0), ("y.png", 0), ("z.png", 1)):
        write_reconstruction(*files, str(tmp_path / name), "cpu", seed)
    x, y, z = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "xyz")
    assert x.shape == (68, 4 * 66 + 2, 3)
    assert np.array_equal(x, y)
    assert not np.array_equal(x, z)


def test_the_tool_reads_and_normalises_as_the_training(tmp_path, monkeypatch):
    """A photograph is turned upright, and the loader's normalisation (prefetch) counts."""
    upright = np.zeros((48, 24, 3), np.uint8)
    upright[:12] = 255
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn to the right shows it upright
    lying = Image.fromarray(np.ascontiguousarray(np.rot90(upright)))
    lying.save(tmp_path / "a.png", exif=turned)
    norm = dict(mean=[0.5] * 3, std=[0.25] * 3)
    source = dict(type="ImageList", data_prefix="x", ann_file="y")
    crop = dict(type="RandomResizedCrop", size=32)
    train = dict(type="SingleViewDataset", data_source=source, pipeline=[crop], prefetch=True)
    config = dict(model=TINY["MAE"].cfg, data=dict(train=train), prefetch=True, img_norm_cfg=norm)
    Config(config).dump(str(tmp_path / "mae.py"))
    seen = []

    def picture(model, batch, normalize, seed, channel_order):
        seen.append((batch, normalize, channel_order))
        return torch.zeros(3, 4, 4)

    monkeypatch.setattr(reconstruction, "reconstruction_picture", picture)
    files = [str(tmp_path / name) for name in ("a.png", "mae.py")]
    write_reconstruction(*files, None, str(tmp_path / "x.png"), "cpu")
    (batch, normalize, order), *_ = seen
    assert order == "rgb"
    assert normalize.mean == norm["mean"]
    assert (batch.min(), batch.max()) == (pytest.approx(-2.0, abs=0.2), pytest.approx(2, abs=0.2))
    assert batch[0, 0, :6].min() > 1.8  # the white part is above
    assert batch[0, 0, 12:].max() < -1.8


def test_pictures_of_bgr_images_are_rgb(monkeypatch):
    blue = torch.zeros(1, 3, 8, 8)
    blue[:, 0] = 1  # the first channel is blue
    model = SimpleNamespace(
        reconstruct=lambda img: SimpleNamespace(output=img, mask=torch.zeros(1, 1, 8, 8))
    )
    unit = Normalize([0.0] * 3, [1.0] * 3)
    for order, channel in (("rgb", 0), ("bgr", 2)):
        picture = reconstruction_hook.reconstruction_picture(model, blue, unit, channel_order=order)
        views = views_picture(blue, unit, 8, order)
        for pixels in (picture, views):
            inside = pixels[:, 4, 4]
            assert inside[channel] == 1
            assert inside.sum() == 1


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_hooks_know_the_order_of_the_images(tmp_path, monkeypatch, order):
    """In the training and by the tool; ``Images`` has a source of its own."""
    orders = []
    source = SimpleNamespace(reader=SimpleNamespace(channel_order=order))
    monkeypatch.setattr(Images, "data_source", source, raising=False)

    def reconstruction_picture(model, img, normalize, seed=0, channel_order=None):
        orders.append(channel_order)
        return torch.zeros(3, 4, 4)

    def views_picture(img, normalize, num_images, channel_order):
        orders.append(channel_order)

    monkeypatch.setattr(reconstruction_hook, "reconstruction_picture", reconstruction_picture)
    monkeypatch.setattr(views_image_hook, "views_picture", views_picture)
    train(tmp_path)
    assert orders == [order] * 3  # views once, reconstructions after each epoch


def test_epochs_are_counted_as_those_of_the_other_hooks(monkeypatch):
    """After the first, after every N, and after the last: 1, 4, 8, 10."""
    drawn = []
    monkeypatch.setattr(reconstruction_hook, "is_main", lambda: False)
    monkeypatch.setattr(reconstruction_hook, "isolated_eval", lambda model: nullcontext(model))
    monkeypatch.setattr(reconstruction_hook, "find_normalize", lambda dataset: None)
    hook = reconstruction_hook.ReconstructionImageHook(interval=4)
    hook._img = torch.zeros(1)
    for epoch in range(10):
        monkeypatch.setattr(
            reconstruction_hook,
            "reconstruction_picture",
            lambda *_, n=epoch + 1, **__: drawn.append(n),
        )
        hook.after_train_epoch(
            SimpleNamespace(
                epoch=epoch, max_epochs=10, model=None, data_loader=SimpleNamespace(dataset=None)
            )
        )
    assert drawn == [1, 4, 8, 10]
