"""A classifier that starts from another one: each class gets its own row, or a new one."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mmcv import Config
from torch import Tensor, nn

from mmselfsup.apis.train import load_weights_or_resume
from mmselfsup.apis.training.start_classes import classes_of_model, start_classes
from mmselfsup.core.checkpoint import (
    DataClasses,
    PretrainedInit,
    classes_at_start,
    load_state,
    load_weights,
    save_checkpoint,
)
from mmselfsup.models import ALGORITHMS, build_head
from mmselfsup.models.algorithms import Classification, MMClsImageClassifierWrapper, RotationPred
from mmselfsup.utils.errors import UserError

FILE_CLASSES = ("ant", "bee", "cat")
HEADS = [
    dict(type="ClsHead", in_channels=4),
    dict(type="MultiLabelClsHead", in_channels=4),
    # As many hidden units as classes: these rows are no classes.
    dict(type="MetadataClsHead", in_channels=4, metadata_channels=[3], fusion_channels=3),
    dict(type="MultiClsHead", in_indices=[0]),
    dict(type="MAEFinetuneHead", embed_dim=4),
    dict(type="MAELinprobeHead", embed_dim=4),
    dict(type="mmcls.LinearClsHead", in_channels=4),
]
MakeBackbone = Callable[[], nn.Module]


@pytest.fixture(autouse=True)
def shown_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger("mmselfsup"), "propagate", True)


class Model(nn.Module):
    """``backbone.*`` and ``head.*``."""

    reads_classes = True

    def __init__(self, backbone: nn.Module, head: dict[str, Any], num_classes: int = 3) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = build_head({**head, "num_classes": num_classes})


def rows(model: Model) -> dict[str, Tensor]:
    """Return the weights of the head that have a row for each class."""
    names = ("fc_cls.", "fcs.0.", "head.", "fc.")
    state = model.head.state_dict()
    return {name: value.clone() for name, value in state.items() if name.startswith(names)}


def written(folder: Path, make: MakeBackbone, head: dict, names: Any = FILE_CLASSES) -> Model:
    """Write a checkpoint ``a.pth`` of a model whose rows all differ."""
    model = Model(make(), head, len(names))
    nn.init.normal_(next(iter(rows(model).values())))
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    save_checkpoint(model, str(folder / "a.pth"), meta={"CLASSES": list(names)})
    return model


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["type"])
def test_rows_follow_the_names(
    head: dict, tmp_path: Path, make_backbone: MakeBackbone, caplog: pytest.LogCaptureFixture
) -> None:
    before = written(tmp_path, make_backbone, head)
    after, logger = Model(make_backbone(), head), logging.getLogger("mmselfsup")
    classes = DataClasses(("cat", "Ant", "bee"))
    load_weights(after, str(tmp_path / "a.pth"), logger, classes=classes)
    assert len(rows(after)) == 2
    for name, value in rows(after).items():
        assert value.equal(rows(before)[name][[2, 0, 1]])
    others = after.head.state_dict().keys() - rows(after).keys()
    for name in others:
        assert after.head.state_dict()[name].equal(before.head.state_dict()[name])
    (line,) = [r.getMessage() for r in caplog.records if "rows" in r.getMessage()]
    assert "has the classes ant, bee, cat, data.train has cat, Ant, bee: head." in line


@pytest.mark.parametrize("head", HEADS, ids=lambda head: head["type"])
@pytest.mark.parametrize("names", [("cat", "ant", "wasp"), ("x", "y", "z")])
def test_other_classes_start_anew(
    head: dict,
    names: tuple[str, ...],
    tmp_path: Path,
    make_backbone: MakeBackbone,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = written(tmp_path, make_backbone, head)
    after, logger = Model(make_backbone(), head), logging.getLogger("mmselfsup")
    first = rows(after)
    report = load_weights(after, str(tmp_path / "a.pth"), logger, classes=DataClasses(names))
    assert all(value.equal(first[name]) for name, value in rows(after).items())
    assert {f"head.{name}" for name in first} == set(report.restarted)
    assert report.complete
    assert not report.missing
    assert "starts anew; if these are the same classes in this order, set data.train" in caplog.text
    # The opt-out takes them as they are.
    classes = DataClasses(names, same=True)
    load_weights(after, str(tmp_path / "a.pth"), classes=classes)
    assert all(value.equal(rows(before)[name]) for name, value in rows(after).items())


@pytest.mark.parametrize(
    ("there", "here", "order"),
    [
        (("a", "b", "c"), ("a", "b", "c"), [0, 1, 2]),
        (("a", "b", "c"), ("c", "a"), [2, 0, 1]),  # a class without images
        (("c", "a"), ("a", "b", "c"), [1, None, 0]),
        (("a", "b"), ("a", "b", "c"), [0, 1, 2]),
        (("0", "1", "2"), ("x", "y", "z"), [0, 1, 2]),  # numbers contradict no name
        (("2", "0", "1"), ("0", "1", "2"), [1, 2, 0]),
        (("a", "b", "UNK"), ("b", "a", "UNK"), [1, 0, 2]),
        (("UNK", "a", "b"), ("x", "a", "b"), None),
        (("a", "b", "c", "d"), ("a", "b", "c"), None),  # more classes than rows
    ],
)
def test_lists_of_other_lengths(
    there: tuple[str, ...],
    here: tuple[str, ...],
    order: list[int] | None,
    tmp_path: Path,
    make_backbone: MakeBackbone,
) -> None:
    before = Model(make_backbone(), HEADS[0])
    save_checkpoint(before, str(tmp_path / "a.pth"), meta={"CLASSES": list(there)})
    after = Model(make_backbone(), HEADS[0])
    first = rows(after)["fc_cls.weight"]
    load_weights(after, str(tmp_path / "a.pth"), classes=DataClasses(here))
    taken = rows(before)["fc_cls.weight"]
    wanted = first if order is None else taken[[2 if row is None else row for row in order]]
    assert rows(after)["fc_cls.weight"].equal(wanted)


def data(names: tuple[str, ...] | None, same: bool = False) -> Any:
    return SimpleNamespace(CLASSES=names, data_source=SimpleNamespace(same_classes=same))


def test_load_from_of_a_training(tmp_path: Path, make_backbone: MakeBackbone) -> None:
    before = written(tmp_path, make_backbone, HEADS[0])
    after = Model(make_backbone(), HEADS[0])
    cfg = Config(dict(load_from=str(tmp_path / "a.pth"), model=dict()))
    classes = start_classes(after, data(("bee", "cat", "ant")))
    runner: Any = SimpleNamespace(model=after)
    load_weights_or_resume(runner, cfg, classes=classes)
    assert rows(after)["fc_cls.bias"].equal(rows(before)["fc_cls.bias"][[1, 2, 0]])


@pytest.mark.parametrize("prefix", [None, "head."])
def test_init_cfg(
    prefix: str | None,
    tmp_path: Path,
    make_backbone: MakeBackbone,
) -> None:
    """Of the whole model, and of the head alone, whose file has its names with a prefix."""
    before = written(tmp_path, make_backbone, HEADS[0])
    after = Model(make_backbone(), HEADS[0])
    init = PretrainedInit(str(tmp_path / "a.pth"), prefix=prefix)
    with classes_at_start(DataClasses(("bee", "cat", "ant"))):
        init(after if prefix is None else after.head)
    assert rows(after)["fc_cls.weight"].equal(rows(before)["fc_cls.weight"][[1, 2, 0]])
    init(after if prefix is None else after.head)  # outside, as they are
    assert rows(after)["fc_cls.weight"].equal(rows(before)["fc_cls.weight"])


def test_which_models_read_the_classes() -> None:
    names = ("a", "b")
    for kind in (Classification, MMClsImageClassifierWrapper):
        assert start_classes(kind, data(names, same=True)) == DataClasses(names, same=True)
        assert start_classes(kind, data(None)) == DataClasses(())
    assert start_classes(RotationPred, data(names)) is None  # its rows are rotations
    cfg = Config(dict(model=dict(type="Classification")))
    assert classes_of_model(cfg, data(names)) == DataClasses(names)
    cfg.resume_from = "a.pth"
    assert classes_of_model(cfg, data(names)) is None


def pretrained(folder: Path, make: MakeBackbone, config: str, **extra: Tensor) -> None:
    """Write a checkpoint ``a.pth`` of a pre-training with as many rows as the data have classes."""
    model = Model(make(), HEADS[0])
    for name, value in extra.items():
        model.register_buffer(name, value)
    meta = {"CLASSES": list(FILE_CLASSES), "config": config}
    save_checkpoint(model, str(folder / "a.pth"), meta=meta)


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("names", [FILE_CLASSES, ()])
@pytest.mark.parametrize(
    ("config", "part", "task"),
    [
        ("model = dict(type='RotationPred', head=dict(num_classes=3))", None, "RotationPred"),
        ("model = {'type': 'ODC'}", None, "ODC"),
        ("", "memory_bank", "a model with a memory_bank"),
        ("model = dict(type='Unknown')", "neck", "a model with a neck"),
    ],
)
def test_rows_of_a_pretext_task_are_no_classes(
    config: str,
    part: str | None,
    task: str,
    names: tuple[str, ...],
    same: bool,
    tmp_path: Path,
    make_backbone: MakeBackbone,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pretrained(tmp_path, make_backbone, config, **({part: Tensor([1.0])} if part else {}))
    after, logger = Model(make_backbone(), HEADS[0]), logging.getLogger("mmselfsup")
    first, classes = rows(after), DataClasses(names, same)
    report = load_weights(after, str(tmp_path / "a.pth"), logger, classes=classes)
    assert all(value.equal(first[name]) for name, value in rows(after).items())
    assert (report.pretext, set(report.restarted)) == (task, {f"head.{name}" for name in first})
    assert f"a.pth is of {task}: the rows of head.fc_cls are no classes of images" in caplog.text
    assert "of a pretext task, not loaded: head.fc_cls.weight, head.fc_cls.bias" in str(report)
    assert report.backbone_matched == report.backbone_total


@pytest.mark.parametrize(
    "config",
    [
        "model = dict(type='Classification')",
        "model = dict(type='ImageClassifier')",
        "model = dict(type='ClassifierOfAUser')",
        "?",
    ],
)
def test_rows_of_a_classifier_are_carried_over(
    config: str, tmp_path: Path, make_backbone: MakeBackbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALGORITHMS.module_dict, "ClassifierOfAUser", Model)
    pretrained(tmp_path, make_backbone, config, ema_head=Tensor([1.0]))
    after = Model(make_backbone(), HEADS[0])
    written_rows = load_state(str(tmp_path / "a.pth"))["state_dict"]["head.fc_cls.weight"]
    for classes in (DataClasses(FILE_CLASSES), DataClasses(())):
        nn.init.normal_(after.head.fc_cls.weight)
        report = load_weights(after, str(tmp_path / "a.pth"), classes=classes)
        assert (report.pretext, report.restarted) == (None, ())
        assert rows(after)["fc_cls.weight"].equal(written_rows)


def test_a_pretext_task_goes_on_with_its_own_head(
    tmp_path: Path, make_backbone: MakeBackbone
) -> None:
    pretrained(tmp_path, make_backbone, "model = dict(type='RotationPred')")
    after = Model(make_backbone(), HEADS[0])
    classes = start_classes(RotationPred, data(FILE_CLASSES))
    report = load_weights(after, str(tmp_path / "a.pth"), classes=classes)
    assert report.restarted == ()
    assert not report.missing


def test_strict_loading_wants_the_classes(tmp_path: Path, make_backbone: MakeBackbone) -> None:
    written(tmp_path, make_backbone, HEADS[0])
    after, classes = Model(make_backbone(), HEADS[0]), DataClasses(("x", "y", "z"))
    with pytest.raises(UserError, match=r"of other classes, not loaded: head\.fc_cls"):
        load_weights(after, str(tmp_path / "a.pth"), strict=True, classes=classes)
