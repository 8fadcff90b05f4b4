"""``device_transforms=True``: the same batches as without, whatever the sizes and the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mmselfsup.datasets import build_dataloader, build_dataset
from mmselfsup.datasets.batched.deferred import Deferred, defer, group_by_size, join
from mmselfsup.datasets.batched.pipeline import build_batched_pipelines
from mmselfsup.datasets.loader import build_eval_loader
from mmselfsup.datasets.utils import find_normalize
from mmselfsup.utils.errors import UserError
from tests.datasets.batched_views import SIMCLR, photo, pipeline

Config = dict[str, Any]
NORM = dict(type="Normalize", mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
STEPS: list[Config] = [
    dict(type="RandomAppliedTrans", transforms=[SIMCLR], p=0.8),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0),
    dict(type="RandomHorizontalFlip"),
    dict(type="ToTensor"),
    NORM,
]


def crop(size: int) -> list[Config]:
    return [dict(type="RandomResizedCrop", size=size), *STEPS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten images of all sizes, a list with labels, and lesions of two images each."""
    (tmp_path / "images").mkdir()
    for i in range(10):
        image = Image.fromarray(photo(40 + 9 * i, 90 - 5 * i, i))
        image.save(tmp_path / "images" / f"{i}.png")
    (tmp_path / "list.txt").write_text("".join(f"{i}.png {i % 3}\n" for i in range(10)))
    rows = "".join(f"{i},HAM_{i // 2}\n" for i in range(8)) + "8,\n9,\n"
    (tmp_path / "metadata.csv").write_text("image,lesion_id\n" + rows)
    return tmp_path


def multi(folder: Path, fast: bool, **options: Any) -> Config:
    source = dict(
        type="ImageList", data_prefix=str(folder / "images"), ann_file=str(folder / "list.txt")
    )
    options = {"num_views": [2, 1], "pipelines": [crop(24), crop(16)], **options}
    return dict(type="MultiViewDataset", data_source=source, device_transforms=fast, **options)


def single(folder: Path, fast: bool, steps: list[Config] | None = None) -> Config:
    config = multi(folder, fast, num_views=None, pipelines=None)
    del config["num_views"], config["pipelines"]
    return {**config, "type": "SingleViewDataset", "pipeline": steps or crop(24)}


def epoch(config: Any, number: int = 1, **options: Any) -> list[dict[str, Any]]:
    args = dict(samples_per_gpu=4, workers_per_gpu=0, seed=5) | options
    loader = build_dataloader(build_dataset(config), **args)
    loader.sampler.set_epoch(number)
    return list(loader)


MASKS: list[Config] = [
    dict(type="BEiTMaskGenerator", input_size=6, num_masking_patches=12),
    dict(type="MaskFeatMaskGenerator", mask_window_size=6, min_num_patches=4),
    dict(type="SimMIMMaskGenerator", input_size=24, mask_patch_size=8, model_patch_size=4),
]


@pytest.mark.parametrize("masks", MASKS, ids=lambda config: config["type"])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_mask_beside_the_image(folder: Path, masks: Config, workers: int) -> None:
    steps = [*crop(24), masks]
    fast = epoch(single(folder, True, steps), workers_per_gpu=workers)
    slow = epoch(single(folder, False, steps))
    for quick, plain in zip(fast, slow, strict=True):
        assert isinstance(quick["img"], type(plain["img"]))
        assert len(quick["img"]) == 2
        assert torch.equal(quick["img"][1], plain["img"][1]), "the same mask, bit for bit"
        assert quick["img"][1].dtype == plain["img"][1].dtype
    images = [[{**b, "img": b["img"][0]} for b in batches] for batches in (fast, slow)]
    assert_alike(*images)
    drawn = fast[0]["img"][1]
    assert not torch.equal(drawn[0], drawn[1]), "one mask for each image"


def test_masks_of_some_of_the_views(folder: Path) -> None:
    """As iBOT has them: large crops with masks, small ones without."""
    options = dict(num_views=[2, 1], pipelines=[[*crop(24), MASKS[0]], crop(16)])
    fast, slow = (epoch(multi(folder, quick, **options)) for quick in (True, False))
    for quick, plain in zip(fast, slow, strict=True):
        assert [type(view) for view in quick["img"]] == [list, list, Tensor]
        for mine, theirs in zip(quick["img"][:2], plain["img"][:2], strict=True):
            assert torch.equal(mine[1], theirs[1])
            assert mine[0].shape == theirs[0].shape
        assert not torch.equal(quick["img"][0][1], quick["img"][1][1]), "one mask for each view"
    flat = [
        [{**b, "img": [*(v[0] for v in b["img"][:2]), b["img"][2]]} for b in batches]
        for batches in (fast, slow)
    ]
    assert_alike(*flat)


def views(batch: dict[str, Any]) -> list[Tensor]:
    return batch["img"] if isinstance(batch["img"], list) else [batch["img"]]


def assert_alike(fast: list[dict[str, Any]], slow: list[dict[str, Any]]) -> None:
    assert len(fast) == len(slow)
    for quick, plain in zip(fast, slow, strict=True):
        assert quick.keys() == plain.keys()
        assert isinstance(quick["img"], type(plain["img"]))
        for key in set(plain) - {"img"}:
            assert torch.equal(quick[key], plain[key])
        for mine, theirs in zip(views(quick), views(plain), strict=True):
            assert mine.shape == theirs.shape
            error = (mine - theirs).abs() * 255 * 0.225  # about grey levels
            assert error.mean() < 1
            assert error.mean((1, 2, 3)).max() < 2


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_those_of_the_slow_way(folder: Path, workers: int) -> None:
    assert_alike(epoch(multi(folder, True), workers_per_gpu=workers), epoch(multi(folder, False)))


def test_one_view_with_label(folder: Path) -> None:
    assert_alike(epoch(single(folder, True)), epoch(single(folder, False)))


def test_one_view_with_its_cluster(folder: Path) -> None:
    configs = [{**single(folder, fast), "type": "DeepClusterDataset"} for fast in (True, False)]
    batches = epoch(configs[0])
    assert batches[0]["pseudo_label"].tolist() == [-1] * 4
    assert_alike(batches, epoch(configs[1]))


def test_views_of_another_image_of_the_lesion(folder: Path) -> None:
    partners = dict(metadata=str(folder / "metadata.csv"), held_out=None)
    options = dict(lesion_positives=partners, num_views=[3], pipelines=[crop(24)])
    fast = build_dataset(multi(folder, True, **options))
    assert [len(fast[i]["img"].images) for i in (0, 9)] == [2, 1]
    assert fast[0]["img"].sources == [0, 1, 0]
    assert_alike(epoch(multi(folder, True, **options)), epoch(multi(folder, False, **options)))


def test_wrappers_and_the_cache(folder: Path) -> None:
    config = multi(folder, True)
    config["data_source"]["cache"] = dict(dir=str(folder / "cache"), short_side=32)
    slow = {**config, "device_transforms": False}
    repeated = [dict(type="RepeatDataset", times=2, dataset=c) for c in (config, slow)]
    assert_alike(epoch(repeated[0]), epoch(repeated[1]))
    assert_alike(epoch([config, config]), epoch([slow, slow]))


def test_the_same_bits_whatever_the_workers_and_after_a_stop(folder: Path) -> None:
    first = epoch(multi(folder, True), 3, workers_per_gpu=2)
    again = epoch(multi(folder, True), 3)  # a process that begins at epoch 3
    other = epoch(multi(folder, True), 4)
    for one, two in zip(first, again, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(views(one), views(two), strict=True))
    assert not torch.equal(views(first[0])[0], views(other[0])[0])
    assert not torch.equal(views(first[0])[0], views(first[0])[1]), "two draws"


def test_the_loader_has_the_attributes_of_the_one_inside(folder: Path) -> None:
    loader = build_dataloader(
        build_dataset(multi(folder, True)), samples_per_gpu=4, workers_per_gpu=0, drop_last=True
    )
    heard: list[int] = []
    loader.listeners.append(lambda: heard.append(len(heard)))
    assert len(loader) == len(list(loader)) == len(heard) == 2
    assert loader.batch_size == 4
    assert find_normalize(loader.dataset).mean == NORM["mean"]


CPU = torch.device("cpu")
WHOLE = dict(scale=(1.0, 1.0), ratio=(1.0, 1.0))


def test_what_lies_behind_the_border_of_an_image_is_never_seen() -> None:
    batched = build_batched_pipelines([pipeline([dict(type="RandomHorizontalFlip")])])[0]
    images = [photo(59, 60, 0), photo(60, 59, 1)]
    # params: crop (top, left, height, width), flip
    batch = join(
        [Deferred([image], [0], [(0, 0, *image.shape[:2], 1)], [None]) for image in images]
    )
    (block,) = batch.blocks
    assert block.pixels.shape == (2, 60, 60, 3)
    made = batch.views([batched], CPU)[0]
    block.pixels[0, 59:], block.pixels[1, :, 59:] = 255, 255
    assert torch.equal(made, batch.views([batched], CPU)[0])


def test_an_image_of_several_views_travels_once() -> None:
    pipelines = build_batched_pipelines([pipeline([], **WHOLE)]) * 8
    image = photo(30, 30, 0)
    (block,) = join([defer([image] * 8, pipelines)] * 5).blocks
    assert block.pixels.shape == (5, 30, 30, 3)
    assert block.rows == [None] * 8


def test_only_what_the_crops_see_travels() -> None:
    pipelines = build_batched_pipelines([pipeline([], scale=(0.1, 0.3))]) * 2
    image = photo(80, 100, 0)
    for seed in range(10):
        torch.manual_seed(seed)
        boxes = np.array([p.sample_params(80, 100) for p in pipelines])
        torch.manual_seed(seed)
        sample = defer([image, image], pipelines)
        begin, end = boxes[:, :2].min(0), (boxes[:, :2] + boxes[:, 2:]).max(0)
        assert np.array_equal(sample.images[0], image[begin[0] : end[0], begin[1] : end[1]])
        for box, (top, left, height, width) in zip(boxes, sample.params, strict=True):
            assert [top + begin[0], left + begin[1], height, width] == box.tolist()


def test_one_large_image_does_not_make_the_batch_large() -> None:
    """Before, 63 images of 500 x 375 pixels and one of 4000 x 3000 were 2.3 GB."""
    sizes = np.array([[375, 500]] * 40 + [[3000, 4000]] + [[500, 375]] * 23)
    groups = group_by_size(sizes)
    padded = sum(len(group) * int(sizes[group].max(0).prod()) for group in groups)
    assert padded == sizes.prod(1).sum()
    assert sorted(np.concatenate(groups).tolist()) == list(range(64))


def test_padding_stays_small_for_any_sizes() -> None:
    rng = np.random.default_rng(0)
    for low, high in ((20, 600), (400, 600), (1, 4000)):
        sizes = rng.integers(low, high, (256, 2))
        groups = group_by_size(sizes)
        padded = sum(len(group) * int(sizes[group].max(0).prod()) for group in groups)
        assert padded < 1.6 * sizes.prod(1).sum()
        assert len(groups) <= 16


def test_views_of_several_blocks_are_those_of_each_image_alone() -> None:
    """The sizes lie far apart; some samples have two images, in different blocks."""
    pipelines = build_batched_pipelines([pipeline([]), pipeline([SIMCLR])])
    images = [photo(30 + 170 * (i % 3), 40 + 90 * (i % 2), i) for i in range(12)]
    pairs = [(images[i], images[i if i % 4 else i - 1]) for i in range(12)]
    torch.manual_seed(0)
    samples = [defer(pair, pipelines) for pair in pairs]
    batch = join(samples)
    assert len(batch.blocks) > 2
    joined = batch.views(pipelines, CPU)
    for n, sample in enumerate(samples):
        alone = join([sample]).views(pipelines, CPU)
        for mine, view in zip(alone, joined, strict=True):
            error = (mine[0] - view[n]).abs() * 255
            assert error.mean() < 0.05, f"sample {n}"  # the order of sums differs


REFUSED: list[tuple[list[Config], str]] = [
    ([dict(type="RandomResizedCrop", size=8), dict(type="Lighting"), dict(type="ToTensor")],
     "no batched version of Lighting; take device_transforms out"),
    ([dict(type="Resize", size=8), dict(type="CenterCrop", size=8), dict(type="ToTensor")],
     "no batched version of Resize, CenterCrop; take device_transforms out"),
    ([dict(type="RandomResizedCrop", size=8),
      dict(type="RandomAppliedTrans", transforms=[dict(type="RandomPosterize", bits=3)])],
     "no batched version of RandomPosterize"),
    ([dict(type="RandomHorizontalFlip"), dict(type="RandomResizedCrop", size=8),
      dict(type="ToTensor")], "the order is RandomResizedCrop, then"),
    ([dict(type="RandomResizedCrop", size=8)], "the order is RandomResizedCrop, then"),
    ([dict(type="ToTensor")], "the order is RandomResizedCrop, then"),
    ([NORM], "the order is RandomResizedCrop, then"),
    ([dict(type="RandomResizedCrop", size=8), dict(type="RandomResizedCrop", size=8),
      dict(type="ToTensor")], "RandomResizedCrop is out of order"),
    ([dict(type="RandomResizedCrop", size=8), dict(type="SimMIMMaskGenerator"),
      dict(type="ToTensor")], "SimMIMMaskGenerator is out of order"),
    ([dict(type="SimMIMMaskGenerator")], "the order is RandomResizedCrop, then"),
    ([dict(type="RandomResizedCrop", size=8, interpolation=0), dict(type="ToTensor")],
     "not for nearest"),
    ([dict(type="RandomResizedCrop", size=8), dict(type="RandomRotation", degrees=10),
      dict(type="ToTensor")], "RandomRotation is batched only by one multiple of 90"),
    ([dict(type="RandomResizedCrop", size=(8, 9)), dict(type="RandomRotation", degrees=(90, 90)),
      dict(type="ToTensor")], "quarter turns need a square"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "words"), REFUSED)
def test_refused_in_one_line(folder: Path, steps: list[Config], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        build_dataset(single(folder, True, steps))
    assert "\n" not in str(caught.value)


def test_other_refusals(folder: Path) -> None:
    ready, made = build_dataset(single(folder, False)), build_dataset(single(folder, True))
    with pytest.raises(ValueError, match="take prefetch out"):
        build_dataloader(made, samples_per_gpu=2, prefetch=True, img_norm_cfg=NORM)
    with pytest.raises(ValueError, match="joined data sets need the same pipelines"):
        epoch([single(folder, True), single(folder, False)])
    grey = single(folder, True)
    grey["data_source"]["color_type"] = "grayscale"
    with pytest.raises(ValueError, match="RGB images, not on L: set color_type='color'"):
        build_dataset(grey)[0]
    from mmcv import Config as File

    cfg = File(dict(data=dict(samples_per_gpu=2, workers_per_gpu=0)))
    with pytest.raises(UserError, match=r"data.val: device_transforms=True is for training"):
        build_eval_loader(made, cfg, "val", False)
    assert len(build_eval_loader(ready, cfg, "val", False)) == 5
    assert np.isfinite(epoch(single(folder, True))[0]["img"].numpy()).all()
