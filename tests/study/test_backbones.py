"""Whether a classifier can start from the backbone of a pre-training."""

from typing import Any

import pytest
from mmcv import Config

from mmselfsup.study.stages.pretrain import check_backbones
from mmselfsup.utils.errors import UserError


class Task:
    """As much of a pre-training as is looked at."""

    tasks = ("simclr",)
    start = None

    def __init__(self, **backbone: Any) -> None:
        self.cfg = classifier(**backbone)


def classifier(**backbone: Any) -> Config:
    return Config(dict(model=dict(backbone=backbone)))


@pytest.mark.parametrize(
    ("one", "other"),
    [("ResNet", "mmcls.RegNet"), ("mmcls.RegNet", "ResNet"), ("MAEViT", "VisionTransformer")],
)
def test_backbones_of_other_types_are_not_compared(one: str, other: str) -> None:
    task: Any = Task(type=one, depth=50)
    assert check_backbones(task, classifier(type=other, depth=18)) == []


@pytest.mark.parametrize(("one", "other"), [("ResNet", "MAEViT"), ("MAEViT", "ResNet")])
def test_a_transformer_needs_a_transformer(one: str, other: str) -> None:
    task: Any = Task(type=one)
    with pytest.raises(UserError, match=f"is a {one}, that of FINETUNE_CONFIG a {other}"):
        check_backbones(task, classifier(type=other))


def test_backbones_of_one_type_must_have_one_size() -> None:
    task: Any = Task(type="ResNet", depth=50)
    assert check_backbones(task, classifier(type="mmselfsup.ResNet", depth=50)) == []
    with pytest.raises(UserError, match=r"depth=50, that of FINETUNE_CONFIG 18"):
        check_backbones(task, classifier(type="ResNet", depth=18))
