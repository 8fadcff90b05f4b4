"""Settings derived from the data: values, who has set them, warnings, resuming, memory."""

import copy
import logging
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmselfsup.apis import train
from mmselfsup.apis.training import auto_settings
from mmselfsup.apis.training.auto_settings import RULES, Facts, apply_auto_settings, power_of_two
from mmselfsup.apis.training.step_memory import StepMemory, step_memory
from mmselfsup.config.check import check_config
from mmselfsup.config.load import load_config
from mmselfsup.models import build_algorithm
from mmselfsup.models.algorithms import SimCLR
from mmselfsup.models.utils.needs import Needs
from mmselfsup.utils.errors import UserError
from tests.contract.tiny_models import TINY

LOGGER = logging.getLogger("tests.auto_settings")
CONFIGS = Path(__file__).parents[3] / "configs" / "selfsup"


class Images:
    """A data set of a size, whose samples can't be read."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, idx: int) -> Any:
        raise OSError("no image")


def config(method: str, **keys: Any) -> Config:
    (path,) = (CONFIGS / method).glob(f"{method}_resnet18_1xb*_isic2019-64.py")
    cfg = load_config(str(path))
    cfg.auto_settings = keys.pop("auto_settings", True)
    cfg.merge_from_dict(keys)
    return cfg


def derive(cfg: Config, images: int, options: Any = (), resumed: Any = None) -> dict[str, Any]:
    return apply_auto_settings(cfg, Images(images), options, resumed, LOGGER)


def test_settings_of_isic_2019() -> None:
    cfg = config("mocov2")
    rate = cfg.optimizer.lr  # for 64 images, as the name says
    assert derive(cfg, 25_331) == {
        "data.samples_per_gpu": 256,
        "optimizer.lr": pytest.approx(4 * rate, rel=0.01),
        "runner.max_epochs": 99,
        "model.queue_len": 4096,
    }
    assert cfg.data.samples_per_gpu == 256
    assert cfg.runner.max_epochs == 99
    assert cfg.auto_settings is False
    assert cfg.auto_scale_lr == dict(base_batch_size=256, enable=False)


@pytest.mark.parametrize(
    ("images", "batch", "epochs", "queue"),
    [
        (40, 16, 800, 16),
        (300, 32, 800, 64),
        (2_000, 64, 800, 256),
        (10_000, 256, 250, 2048),
        (2_000_000, 256, 10, 65536),
    ],
)
def test_few_and_many_images(images: int, batch: int, epochs: int, queue: int) -> None:
    found = derive(config("mocov2"), images)
    assert found["data.samples_per_gpu"] == batch
    assert found["runner.max_epochs"] == epochs
    assert found["model.queue_len"] == queue


def test_rates_follow_the_batch() -> None:
    sgd, adam = config("simclr"), config("simclr")
    adam.optimizer = dict(type="AdamW", lr=1e-3)
    old = sgd.optimizer.lr  # for 128 images, as the name says
    assert derive(sgd, 2_000)["optimizer.lr"] == pytest.approx(old * 64 / 128, rel=0.01)
    assert derive(adam, 2_000)["optimizer.lr"] == pytest.approx(1e-3 * 0.5**0.5, rel=0.01)


def test_temperature_of_negatives_in_the_batch_alone() -> None:
    assert derive(config("simclr"), 25_000)["model.head.temperature"] == 0.2
    assert derive(config("simclr"), 1_000)["model.head.temperature"] == 0.5
    assert "model.head.temperature" not in derive(config("mocov2"), 1_000)
    assert "model.head.temperature" not in derive(config("npid"), 1_000)


def test_prototypes() -> None:
    assert derive(config("swav"), 25_331)["model.head.num_prototypes"] == 59
    assert derive(config("swav"), 1_281_167)["model.head.num_prototypes"] == 3000


def test_trained_weights_need_fewer_passes() -> None:
    assert derive(config("simclr", load_from="x.pth"), 25_000)["runner.max_epochs"] == 25
    adapted = config("simclr", adapt=dict(type="full"))
    assert derive(adapted, 25_000)["runner.max_epochs"] == 25


def test_who_has_set_it(caplog: pytest.LogCaptureFixture) -> None:
    cfg = config("mocov2", auto_settings=dict(queue=512))
    kept = dict(meta={"auto_settings": {"runner.max_epochs": 7}})
    cfg.merge_from_dict({"data.samples_per_gpu": 12})
    LOGGER.setLevel("INFO")
    with caplog.at_level("INFO", LOGGER.name):
        found = derive(cfg, 25_331, ["data.samples_per_gpu=12"], kept)
    assert found["data.samples_per_gpu"] == 12
    assert found["model.queue_len"] == 512
    assert found["runner.max_epochs"] == 7
    starts = " data.", " model.", " runner.", " optimizer."
    lines = [line for line in caplog.text.splitlines() if line.startswith(starts)]
    rows = {line.split()[0]: line for line in lines}
    assert rows["data.samples_per_gpu"].rstrip().endswith("--cfg-options")
    assert rows["model.queue_len"].rstrip().endswith("auto_settings")
    assert rows["runner.max_epochs"].rstrip().endswith("the checkpoint")
    assert rows["optimizer.lr"].rstrip().endswith("the data")


def test_an_override_of_a_whole_section_counts() -> None:
    cfg = config("simclr")
    assert derive(cfg, 25_000, ["runner={'max_epochs': 3}"])["runner.max_epochs"] == 100


def test_the_memory_limits_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_settings, "_fitting", lambda cfg, dataset: 50)
    cfg = config("simclr")
    assert derive(cfg, 25_000)["data.samples_per_gpu"] == 32


def test_unknown_names() -> None:
    with pytest.raises(UserError, match="auto_settings has no 'batchsize'; it takes batch, lr"):
        derive(config("simclr", auto_settings=dict(batchsize=3)), 100)


def warnings_of(method: Any, images: int, **keys: Any) -> list[str]:
    cfg = Config(
        dict(model=dict(type="X"), data=dict(samples_per_gpu=32), optimizer=dict(type="SGD"))
    )
    cfg.merge_from_dict(keys)
    started = bool(cfg.get("load_from") or cfg.get("adapt"))
    facts = Facts(images, 1, None, started, method, cfg, 32)
    return list(auto_settings.warnings_of(facts))


def test_warnings() -> None:
    class Hungry(SimCLR):
        title = "Hungry"
        needs = Needs(images=1_000_000, why="its paper", instead="adapt start weights")

    assert warnings_of(SimCLR, 25_000)[0].startswith("SimCLR has 32 images in a step, and gets")
    (text,) = warnings_of(Hungry, 25_000)
    assert text == (
        "Hungry from random weights needs about 1,000,000 images, there are 25,000 (its paper): "
        "adapt start weights"
    )
    assert not warnings_of(Hungry, 2_000_000)
    assert not warnings_of(Hungry, 25_000, adapt=dict(type="lora"))
    (text,) = warnings_of(Hungry, 25_000, load_from="x.pth")
    assert "adapt=dict(type='lora')" in text
    queue = {"model.queue_len": 65536}
    assert any(
        "more than the 25,000 images" in text for text in warnings_of(SimCLR, 25_000, **queue)
    )


def test_rules_have_names_of_their_own() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    for number in (1, 2, 3, 64, 100):
        assert power_of_two(number) <= number < 2 * power_of_two(number)


def test_memory_of_a_step_is_what_autograd_keeps() -> None:
    tiny = TINY["SimCLR"]
    views = [torch.rand(3, 32, 32) for _ in range(2)]
    sample = {"img": views, "idx": 0}
    found = step_memory(Config(dict(model=copy.deepcopy(tiny.cfg))), sample)
    assert found is not None
    model = build_algorithm(copy.deepcopy(tiny.cfg)).train()
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def kept(size: int) -> int:
        """Count on the CPU, with values."""
        sizes: dict[int, int] = {}
        alive = []

        def pack(tensor: torch.Tensor) -> torch.Tensor:
            alive.append(tensor)
            storage = tensor.untyped_storage()
            sizes[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            loss = model(img=[view.expand(size, -1, -1, -1) + 0 for view in views])
        assert loss
        return sum(size for place, size in sizes.items() if place not in weights)

    assert found.image == pytest.approx((kept(8) - kept(4)) / 4, rel=0.1)
    numbers = sum(p.numel() for p in model.parameters())
    assert found.fixed == 4 * 4 * numbers


def test_methods_that_need_values_have_no_known_memory() -> None:
    cfg = Config(dict(model=copy.deepcopy(TINY["ODC"].cfg)))
    assert step_memory(cfg, {"img": torch.rand(3, 32, 32), "idx": 0}) is None
    assert StepMemory(fixed=100, image=10).fitting(1000) == 50
    assert StepMemory(fixed=10_000, image=10).fitting(1000) == 1


def test_command_line_and_config_check() -> None:
    cfg = config("simclr")
    for value in (True, False, None, dict(batch=3)):
        cfg.auto_settings = value
        check_config(cfg)
    cfg.auto_settings = dict(batch=0)
    with pytest.raises(UserError, match=r"auto_settings\.batch=0"):
        check_config(cfg)


def test_without_it_nothing_changes() -> None:
    cfg = config("simclr")
    cfg.auto_settings = None
    before = copy.deepcopy(cfg._cfg_dict)
    assert train.derive_settings(Namespace(cfg_options=()), cfg, None, LOGGER) == {}
    assert cfg._cfg_dict == before


def test_a_method_from_outside_and_a_config_without_a_batch() -> None:
    assert not warnings_of(torch.nn.Module, 100)
    with pytest.raises(UserError, match=r"set data\.samples_per_gpu"):
        warnings_of(torch.nn.Module, 100, **{"data.samples_per_gpu": None})
