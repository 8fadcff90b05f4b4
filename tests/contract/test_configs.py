"""Every config in ``configs/`` builds its model, its optimizer and its pipelines, without data."""

import functools
import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.runner import HOOKS, RUNNERS
from PIL import Image
from tiny_models import fill_memory

from mmselfsup.config.own_data import Facts, fill
from mmselfsup.core.optimizer import build_optimizer
from mmselfsup.datasets import DATASETS, DATASOURCES, build_dataset
from mmselfsup.datasets.pipelines.compose import build_pipeline
from mmselfsup.models import build_algorithm
from mmselfsup.study.find_configs import find_finetune_config
from mmselfsup.utils.data_info import DataInfo, fit_to_data

ROOT = Path(__file__).parents[2]


def name_of(config):
    """The name of a config in a test's name: its file name, which is unique."""
    return Path(config).stem


CONFIGS = [
    str(path.relative_to(ROOT))
    for path in sorted((ROOT / "configs").rglob("*.py"))
    if "_base_" not in path.parts
]
each_config = pytest.mark.parametrize("config", CONFIGS, ids=name_of)
TRAINED = [c for c in CONFIGS if not name_of(c).startswith(("knn_", "svm_", "tsne_"))]
each_training = pytest.mark.parametrize("config", TRAINED, ids=name_of)


@functools.cache
def load(config):
    """The config; what would follow from the images of a user is that of three classes."""
    cfg = Config.fromfile(ROOT / config)
    if "custom" in config:
        cfg._cfg_dict.pop("own_data")
        half = [0.5, 0.5, 0.5]
        fill(cfg, Facts(3, ["a", "b", "c"], (4, 2, 1), mean=half, std=half, num_images=7))
    return cfg


@functools.cache
def _model(text):
    try:
        with torch.device("meta"):  # shapes without memory: one head has 375 million weights
            return build_algorithm(json.loads(text))
    except RuntimeError as error:  # mmcls's Swin reads numbers from tensors while it is built
        if "meta tensors" not in str(error):
            raise
        return build_algorithm(json.loads(text))


def model_of(cfg):
    """The model without its numbers, built once for all configs that share it."""
    return _model(json.dumps(cfg.model, sort_keys=True))


@functools.cache
def _view(text, size):
    values = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    # A pipeline goes to its workers as pickled bytes, unless they are forks.
    pipeline = pickle.loads(pickle.dumps(build_pipeline(json.loads(text))))
    return pipeline(Image.fromarray(values))


def view_of(data, pipeline):
    """What the pipeline makes of a picture as its data set has them."""
    if any(transform.type == "RandomAug" for transform in pipeline):
        pytest.importorskip("timm")
    size = (32, 32) if "CIFAR" in data.data_source.type else (45, 60)
    return _view(json.dumps(pipeline), size)


def test_there_are_configs():
    assert len(CONFIGS) > 40


@each_config
def test_no_unknown_key(config):
    from mmselfsup.config.check import check_config

    check_config(Config.fromfile(ROOT / config), str(ROOT / config), [])


@each_training
def test_model_and_optimizer_build(config):
    cfg = load(config)
    model = model_of(cfg)
    optimizer = build_optimizer(model, cfg.optimizer)
    trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
    assert len(trained) == sum(p.requires_grad for p in model.parameters())


@each_training
def test_runner_and_hooks_are_registered(config):
    cfg = load(config)
    assert cfg.runner.type in RUNNERS
    policy = cfg.lr_config.policy
    assert f"{policy[0].upper()}{policy[1:]}LrUpdaterHook" in HOOKS
    for hook in [*cfg.log_config.hooks, *cfg.get("custom_hooks", [])]:
        assert hook.type in HOOKS


@each_config
def test_data(config):
    cfg = load(config)
    parts = {key: cfg.data[key] for key in ("train", "val", "test", "extract") if key in cfg.data}
    assert parts
    for part, data in parts.items():
        assert data.type in DATASETS, part
        assert data.data_source.type in DATASOURCES, part
        views = data.get("pipelines") or [data.pipeline]
        assert len(views) == len(data.get("num_views", [1])), part
        for pipeline in views:
            view = view_of(data, [*pipeline, *data.get("format_pipeline", [])])
            # A mask generator gives one or two images and the mask of their patches, LocatedView
            # the way back to the image.
            *images, mask = view if isinstance(view, tuple) else (view, None)
            for image in images:
                assert image.dtype == torch.float32
                assert image.ndim == 3
                assert image.shape[1] == image.shape[2], part
                assert torch.isfinite(image).all()
            if mask is not None and mask.is_floating_point():  # of LocatedView
                assert mask.shape == (2, 3)
            elif mask is not None:
                assert mask.ndim == 2
                assert mask.sum() < mask.numel()
                assert mask.any() or pipeline[-1].get("mask_prob", 1.0) < 1


@pytest.mark.parametrize("config", [c for c in TRAINED if "isic2019" in c], ids=name_of)
def test_isic_trains_and_tests_on_different_lists(config):
    data = load(config).data
    lists = [data[p].data_source.ann_file for p in ("train", "val", "test") if p in data]
    assert len(set(lists)) == len(lists)
    sources = [data[p].data_source for p in ("train", "val", "test") if p in data]
    for source in sources:
        names = source.get("classes")
        if names is not None:
            assert len(names) == load(config).model.head.num_classes


@pytest.mark.parametrize("arm", ["", "-64", "-demo"])
def test_pretraining_and_finetuning_have_the_same_backbone(arm):
    # The study takes configs by this ending and finds the classifier by the backbone's word.
    size = arm.removeprefix("-") or "224"
    pretrainings = [
        config
        for config in TRAINED
        if config.startswith("configs/selfsup/")
        and re.search(rf"isic2019{arm}(_[\w-]+)?$", Path(config).stem)
    ]
    assert pretrainings
    for config in pretrainings:
        classifier = find_finetune_config(ROOT / "configs", size, ssl_configs={"": Path(config)})
        wanted, given = (
            {k: v.shape for k, v in model_of(load(str(c))).backbone.state_dict().items()}
            for c in (classifier.relative_to(ROOT), config)
        )
        # Fine-tuning has a normalisation of its own after the mean over the places, and masks none.
        other = ("fc_norm.", "ln1.", "mask_token")
        own = {name for name in set(wanted) ^ set(given) if not name.startswith(other)}
        assert not own, f"{classifier.name} and {config} have different backbones"
        for name in set(wanted) & set(given):
            assert wanted[name] == given[name], f"{name} of {classifier.name} and {config}"


@pytest.fixture(scope="module")
def four_images(tmp_path_factory):
    """A data source of four pictures with the labels 0 to 3."""
    folder = tmp_path_factory.mktemp("images")
    for i in range(4):
        values = np.random.default_rng(i).integers(0, 256, (45, 60, 3), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{i}.png")
    (folder / "list.txt").write_text("".join(f"{i}.png {i}\n" for i in range(4)))
    rows = "".join(f"{i},{20 * i},head/neck,male\n" for i in range(3)) + "3,,,\n"
    (folder / "patients.csv").write_text("image,age_approx,anatom_site_general,sex\n" + rows)
    return {"type": "ImageList", "data_prefix": str(folder), "ann_file": str(folder / "list.txt")}


@pytest.mark.parametrize("config", [c for c in TRAINED if "isic2019-" in c], ids=name_of)
def test_the_small_ones_take_a_step(config, four_images):
    cfg = load(config)
    model = build_algorithm(cfg.model)
    fit_to_data(model.modules(), DataInfo(num_images=2000, batch_size=4))
    if hasattr(getattr(model, "memory_bank", None), "init_memory"):
        fill_memory(model)
    source = dict(four_images)
    if "patients" in cfg.data.train.data_source:
        source["patients"] = str(Path(source["data_prefix"], "patients.csv"))
    dataset = build_dataset({**cfg.data.train, "data_source": source})
    if hasattr(dataset, "assign_labels"):
        dataset.assign_labels(range(4))
    batch = torch.utils.data.default_collate([dataset[i] for i in range(4)])
    assert torch.isfinite(model.train_step(batch)["loss"])
