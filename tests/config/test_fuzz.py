"""Wrong values anywhere in a config end in one line before the first iteration, no traceback.

Hypothesis replaces, removes and misspells values of the demo configs, at any place in them and at
those that ``mmselfsup.config.schema`` knows, and goes all the way to the first iteration, which is
left out. ``FUZZ_EXAMPLES=500`` tries more, and others each time; ``--hypothesis-seed`` repeats.
"""

import copy
import multiprocessing
import os
from argparse import Namespace
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import mmselfsup.apis.train
from mmselfsup.apis.train import run_training
from mmselfsup.config.load import load_config
from mmselfsup.config.schema import KEYS
from mmselfsup.config.text import config_text
from mmselfsup.core.runner import EpochBasedRunner, IterBasedRunner
from mmselfsup.utils.errors import UserError

ROOT = Path(__file__).parents[2]
DEMOS = (
    "configs/selfsup/simclr/simclr_resnet18_isic2019-demo.py",
    "configs/benchmarks/classification/isic2019/resnet18_isic2019-demo.py",
    "configs/selfsup/barlowtwins/barlowtwins_resnet18_isic2019-demo.py",
    "configs/selfsup/mae/mae_vit-mini-p8_isic2019-demo.py",
    "configs/benchmarks/classification/isic2019/vit-mini-p8_isic2019-demo.py",
)
NUM_IMAGES = 16
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
REMOVE, MISSPELL = object(), object()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images and a list of them."""
    place = tmp_path_factory.mktemp("fuzz")
    rng = np.random.default_rng(0)
    for i in range(NUM_IMAGES):
        pixels = rng.integers(0, 255, (56, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{i}.png")
    (place / "list.txt").write_text("".join(f"{i}.png {i % 8}\n" for i in range(NUM_IMAGES)))
    return place


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leave out the iterations, and restore what a config may set for the process."""
    method, threads = multiprocessing.get_start_method(allow_none=True), cv2.getNumThreads()
    benchmark = torch.backends.cudnn.benchmark
    monkeypatch.setattr(EpochBasedRunner, "run", lambda *args, **kwargs: None)
    monkeypatch.setattr(IterBasedRunner, "run", lambda *args, **kwargs: None)
    monkeypatch.setattr(mmselfsup.apis.train, "collect_env", dict)  # takes a second
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")
    yield
    multiprocessing.set_start_method(method, force=True)
    cv2.setNumThreads(threads)
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.deterministic = False
    torch.backends.cudnn.benchmark = benchmark


def demo(name: str, folder: Path) -> dict[str, Any]:
    """Return the content of a demo config, with the images of the test."""
    content = load_config(str(ROOT / name))._cfg_dict.to_dict()
    for part in ("train", "val", "test"):
        if part in content["data"]:
            content["data"][part]["data_source"].update(
                data_prefix=str(folder), ann_file=str(folder / "list.txt")
            )
    content["data"].update(samples_per_gpu=4, workers_per_gpu=0)
    return content


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the places of all values, in any nesting."""
    if isinstance(content, dict | list | tuple):
        for key, value in content.items() if isinstance(content, dict) else enumerate(content):
            yield (*path, key)
            yield from places(value, (*path, key))


def changed(content: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return the content with another value at a place, or without it, or with a typo."""
    content = copy.deepcopy(content)
    owner: Any = content
    for part, following in pairwise(path):
        inner = owner[part] if isinstance(part, int) else owner.get(part)
        if isinstance(following, int):
            inner = list(inner)
        elif not isinstance(inner, dict):  # another change put something else there
            inner = {}
        owner[part] = inner
        owner = inner
    key = path[-1]
    if isinstance(owner, list) and value in (REMOVE, MISSPELL):
        del owner[key]
    elif value is REMOVE:
        owner.pop(key, None)
    elif value is MISSPELL:
        owner[f"{key}z"] = owner.pop(key, 1)
    else:
        owner[key] = value
    return content


def start(content: dict[str, Any], folder: Path) -> None:
    """Run the command line of a training up to its first iteration."""
    file = folder / "fuzzed.py"
    file.write_text(f"from math import inf, nan\n{config_text(content)}")
    run_training(
        Namespace(
            config=str(file), cfg_options=[], work_dir=str(folder / "work"), resume_from=None,
            auto_resume=False, seed=None, deterministic=False, diff_seed=None, launcher="none",
            gpus=None, gpu_ids=None, gpu_id=None,
        )
    )  # fmt: skip


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 10),
    st.sampled_from([0.5, -1.0, 1e30, float("nan"), float("inf")]),
    st.sampled_from(["", "x", "FOO", "train", "auto", "10", "INFO", "greater"]),
)
junk = st.one_of(
    plain,
    st.lists(plain, max_size=3),
    st.tuples(plain, plain),
    st.dictionaries(st.sampled_from(["foo", "type", "mode", "max_norm"]), plain, max_size=2),
    st.just(REMOVE),
    st.just(MISSPELL),
)


fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def draw_change(data: st.DataObject, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with one change, at a place that it has or that a config may have."""
    known = [tuple(key.split(".")) for key in KEYS] + list(places(content))
    path = data.draw(st.sampled_from(known), label="place")
    return changed(content, path, data.draw(junk, label="value"))


@fuzzed
@given(data=st.data())
def test_no_value_ends_in_a_traceback(data: st.DataObject, folder: Path) -> None:
    content = demo(data.draw(st.sampled_from(DEMOS), label="config"), folder)
    with suppress(UserError):
        start(draw_change(data, content), folder)


@fuzzed
@given(data=st.data())
def test_no_values_together_end_in_a_traceback(data: st.DataObject, folder: Path) -> None:
    """What the check of one value takes for granted may be wrong, too."""
    content = demo(data.draw(st.sampled_from(DEMOS), label="config"), folder)
    for _ in range(data.draw(st.integers(2, 4), label="changes")):
        content = draw_change(data, content)
    with suppress(UserError):
        start(content, folder)


CASES = [
    ("data.workers_per_gpu", "x", "data.workers_per_gpu='x': give a whole number of at least 0"),
    ("data.workers_per_gpu", -1, "data.workers_per_gpu=-1"),
    ("log_level", "FOO", "log_level='FOO': give a level of logging"),
    ("workflow", [], r"workflow=\[\]: give a list such as"),
    ("workflow", "train", "workflow='train': give a list such as"),
    ("workflow", [("foo", 1)], "workflow="),
    ("lr_config", {"policy": "CosineAnnealing"}, "lr_config=.*min_lr or min_lr_ratio"),
    ("opencv_num_threads", "abc", "opencv_num_threads='abc'"),
    ("mp_start_method", "foo", "mp_start_method='foo': give one of 'fork'"),
    ("compile", {"mode": "foo"}, "compile=.*max-autotune"),
    ("data.train.pipeline", [], r"data.train.pipeline=\[\]: give a list with at least one"),
    ("data.val.pipeline.0.size", 0, "data.val.pipeline.0.size=0: give a whole number"),
    ("data.val.pipeline.0.size", -5, "data.val.pipeline.0.size=-5"),
    ("model.head.in_channels", 65, "the parts don't fit.*in_channels"),
    ("optimizer_config.grad_clip", {"foo": 1}, "grad_clip=.*max_norm"),
    (
        "optimizer_config.grad_clip",
        {"max_norm": 1, "per_parameter": True, "foreach": True},
        "grad_clip=.*per_parameter=True takes max_norm and norm_type only",
    ),
    ("optimizer.norm_bias_decay", -1, "optimizer.norm_bias_decay=-1: give a number"),
    ("data.samples_per_gpu", 0, "data.samples_per_gpu=0"),
    ("checkpoint_config.interval", "abc", "checkpoint_config.interval='abc'"),
    ("checkpoint_config.interval", 0, "checkpoint_config.interval=0"),
    ("checkpoint_config.max_keep_ckpts", "abc", "checkpoint_config.max_keep_ckpts='abc'"),
    ("checkpoint_config.out_dir", "FILE/x", "checkpoint_config.out_dir=.*can be written"),
    ("evaluation.out_dir", "FILE/x", "evaluation.out_dir=.*can be written"),
    ("evaluation.save_best", "acuracy_of_all", "save_best is 'acuracy_of_all'; the data set meas"),
    ("evaluation.save_best", "accurazy", "save_best is 'accurazy'.*balanced_accuracy"),
    ("evaluation.rule", "less", "evaluation.rule='less' with 'balanced_accuracy' takes the worst"),
    ("evaluation.interval", 0, "evaluation.interval=0"),
    (
        "custom_hooks",
        [dict(type="EMAHook", priority="VERYHIGH")],
        "priority='VERYHIGH': give",
    ),
    ("custom_hooks", [dict(type="EMAHook", priority=101)], "custom_hooks.0.priority=101"),
    ("custom_hooks", [dict(type="EMAHook", interval=0)], "custom_hooks.0.interval=0"),
    ("custom_hooks", [dict(type="EMAHook", momentum=5)], "EMAHook: a value .*momentum < 1"),
    (
        "log_config.hooks",
        [dict(type="TextLoggerHook", out_dir=3)],
        "hooks.0.out_dir=3: give",
    ),
    ("model.backbone.frozen_stages", 9, "frozen_stages=9, and there are 4 stages"),
    ("model.backbone.frozen_stages", -2, "frozen_stages=-2"),
    ("lr_config", dict(policy="step", step=[-1]), "lr_config.step=.-1.: give"),
    ("optimizer.lr", float("nan"), "optimizer.lr=nan"),
    ("optimizer.constructor", False, "unknown type False at 'optimizer.constructor'"),
    ("runner.max_epochs", "x", "runner.max_epochs='x'"),
]


@pytest.mark.parametrize(("key", "value", "message"), CASES)
def test_a_wrong_value_is_one_line_before_the_first_iteration(
    key: str, value: Any, message: str, folder: Path
) -> None:
    if value == "FILE/x":
        value = str(folder / "list.txt" / "x")
    content = demo(DEMOS[1], folder)
    path = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    with pytest.raises(UserError, match=message) as error:
        start(changed(content, path, value), folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", DEMOS)
def test_the_demo_configs_start(name: str, folder: Path) -> None:
    start(demo(name, folder), folder)


def test_checking_draws_no_random_numbers(folder: Path) -> None:
    """The weights and orders of a run are the same with and without the check."""
    from mmcv import Config

    from mmselfsup.apis.preflight.config_faults import try_step
    from mmselfsup.apis.preflight.evaluation_settings import measured_names
    from mmselfsup.datasets import build_dataset
    from mmselfsup.datasets.loader import build_train_loaders
    from mmselfsup.models import build_algorithm

    cfg = Config(demo(DEMOS[1], folder))
    loader = build_train_loaders([build_dataset(cfg.data.train)], cfg, False)[0]
    model = build_algorithm(cfg.model)
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state()
    try_step(cfg, loader)
    assert measured_names(model, build_dataset(cfg.data.val), cfg.evaluation)
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    assert model.training
