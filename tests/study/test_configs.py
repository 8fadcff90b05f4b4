"""What the study reads from configs, and how overrides are dealt."""

from pathlib import Path

import pytest
from mmcv import Config

from mmselfsup.config.inspect import (
    class_list,
    comparison_config,
    config_digest,
    data_source_key,
    max_epochs,
)
from mmselfsup.study import configs
from mmselfsup.study.configs import positives_options
from mmselfsup.study.find_configs import find_finetune_config, find_ssl_config
from mmselfsup.utils.errors import UserError

SOURCE = {"type": "ImageList", "data_prefix": "", "ann_file": "", "classes": ["MEL", "NV"]}
SSL = Config(
    {
        "model": {"backbone": {"depth": 50}, "head": {"temperature": 0.1}},
        "data": {"train": {"type": "RepeatDataset", "dataset": {"data_source": SOURCE}}},
        "runner": {"max_epochs": 3},
    }
)
FINETUNE = Config(
    {
        "model": {"backbone": {"depth": 50}, "head": {"num_classes": 8}},
        "data": {"train": {"data_source": SOURCE}, "test": {"data_source": SOURCE}},
        "custom_hooks": [{"type": "A"}],
    }
)


@pytest.mark.parametrize(
    ("option", "goes_to"),
    [
        ("model.backbone.depth=18", "both"),
        ("model.head.temperature=0.2", "ssl"),
        ("model.head.num_classes=9", "finetune"),
        ("custom_hooks.0.type=B", "finetune"),
        ("optimizer.nesterov=True", "both"),  # in neither: the trainings say whether it is right
    ],
)
def test_overrides_go_where_their_key_is(option: str, goes_to: str) -> None:
    ssl, finetune = configs.share_options([option], [SSL, FINETUNE])
    assert (option in ssl) == (goes_to in ("ssl", "both"))
    assert (option in finetune) == (goes_to in ("finetune", "both"))


def test_data_sources_are_found_through_wrappers() -> None:
    assert data_source_key(SSL, "train") == "data.train.dataset.data_source"
    assert configs.data_options(FINETUNE, Path("images"), {"test": Path("my lists/a.txt")}) == [
        "data.test.data_source.data_prefix=images",
        "data.test.data_source.ann_file='my lists/a.txt'",
    ]
    assert class_list(FINETUNE) == ["MEL", "NV"]


def test_a_fold_of_another_list_is_not_taken_of_the_studys() -> None:
    """A config of a work dir tested on a fifth of the test list, in silence."""
    source = {**SOURCE, "split": {"part": "val", "folds": 5}}
    cfg = Config({"data": {"test": {"data_source": source}}})
    found = configs.data_options(cfg, Path(), {"test": Path("a.txt")})
    assert found[-1] == "data.test.data_source.split=None"


def test_patients_come_from_the_study_where_the_config_reads_them() -> None:
    lists, metadata = {"test": Path("a.txt")}, Path("meta.csv")
    assert not any("patients" in x for x in configs.data_options(FINETUNE, Path(), lists, metadata))
    cfg = Config({"data": {"test": {"data_source": {**SOURCE, "patients": "default.csv"}}}})
    found = configs.data_options(cfg, Path(), lists, metadata)
    assert found[-1] == "data.test.data_source.patients=meta.csv"
    assert not any("patients" in x for x in configs.data_options(cfg, Path(), lists))


@pytest.mark.parametrize("size", ["224", "64", "demo"])
def test_the_plain_classifier_is_found(size: str) -> None:
    name = find_finetune_config(Path(__file__).parents[2] / "configs", size).name
    assert name.count("_") <= 2
    assert "metadata" not in name
    with pytest.raises(UserError, match=r"data\.val"):
        data_source_key(SSL, "val")


@pytest.mark.parametrize("size", ["224", "64"])
def test_moco_v3_is_a_resnet_unless_its_transformer_is_named(size: str) -> None:
    root = Path(__file__).parents[2] / "configs"
    plain = find_ssl_config(root, "mocov3", size)
    assert "_resnet" in plain.name
    (named,) = (root / "selfsup/mocov3").glob(f"*isic2019{'' if size == '224' else '-64'}_vit.py")
    word = named.name.split("_")[1]
    for path, backbone in ((plain, "resnet"), (named, word)):
        classifier = find_finetune_config(root, size, ssl_configs={"mocov3": path})
        assert classifier.name.startswith(backbone)
    settings = [Config.fromfile(path).model.backbone for path in (named, classifier)]
    keys = ("arch", "patch_size")  # weights don't tell the number of heads, which must be equal
    assert [settings[0].get(key) for key in keys] == [settings[1].get(key, 16) for key in keys]
    sides = [backbone.get("img_size", 224) for backbone in settings]
    assert sides[0] == sides[1]


def test_lesion_positives_get_the_lesions_and_the_test_list() -> None:
    test, metadata = Path("my lists/test.txt"), Path("meta.csv")
    assert positives_options(SSL, test, metadata) == []
    lesions = {"metadata": "data/a.csv", "held_out": "data/b.txt"}
    dataset = {"data_source": SOURCE, "lesion_positives": lesions}
    cfg = Config({"data": {"train": {"type": "RepeatDataset", "dataset": dataset}}})
    key = "data.train.dataset.lesion_positives"
    held_out = f"{key}.held_out='my lists/test.txt'"
    assert positives_options(cfg, test, metadata) == [f"{key}.metadata=meta.csv", held_out]
    assert positives_options(cfg, test, None) == [held_out]


def test_digest_changes_with_the_content() -> None:
    other = Config({**FINETUNE._cfg_dict.to_dict(), "runner": {"max_epochs": 1}})
    assert config_digest(FINETUNE) != config_digest(other)
    assert config_digest(SSL) == config_digest(Config(SSL._cfg_dict.to_dict()))


def test_epochs() -> None:
    assert max_epochs(SSL) == 3
    with pytest.raises(UserError, match="max_epochs"):
        max_epochs(FINETUNE)


@pytest.mark.parametrize(
    "extra",
    [
        {"load_from": "a.pth"},
        {"model": {"backbone": {"init_cfg": {"type": "Pretrained", "checkpoint": "a.pth"}}}},
        {"model": {"backbone": {"init_cfg": [{"type": "Pretrained", "checkpoint": "a.pth"}]}}},
        {"model": {"backbone": {"type": "TimmBackbone", "pretrained": True}}},
        {"model": {"backbone": {"type": "TimmBackbone", "checkpoint_path": "a.pth"}}},
        {"model": {"pretrained": "a.pth"}},
    ],
)
def test_scratch_must_be_scratch(extra: dict) -> None:
    configs.check_scratch(FINETUNE)
    with pytest.raises(UserError, match="from scratch"):
        configs.check_scratch(Config({**FINETUNE._cfg_dict.to_dict(), **extra}))


def test_weights_that_a_pre_training_starts_from_by_itself_are_named() -> None:
    content = SSL._cfg_dict.to_dict()
    assert configs.own_weights(SSL) == ""
    assert configs.own_weights(Config({**content, "load_from": "a.pth"})) == "a.pth"
    model = {"backbone": {"type": "TimmBackbone", "pretrained": True}}
    assert configs.own_weights(Config({**content, "model": model}))


def test_images_that_a_config_describes_itself_do_not_replace_the_folds() -> None:
    """``own_data`` would: the pre-training then sees test images, and the test other images."""
    path = find_finetune_config(Path(__file__).parents[2] / "configs", "demo")
    for option in ("own_data.ann_file=my.csv", "own_data.data_prefix=photos"):
        with pytest.raises(UserError, match=r"own_data\.\w+=.* would replace the lists"):
            configs.load(path, [option])


def test_a_part_of_a_list_is_not_taken_of_the_lists_of_the_folds() -> None:
    source = {**SOURCE, "split": {"part": "val", "folds": 5}}
    cfg = Config({"data": {"test": {"type": "SingleViewDataset", "data_source": source}}})
    options = configs.data_options(cfg, Path("images"), {"test": Path("a.txt")})
    assert options[-1] == "data.test.data_source.split=None"
    compared = comparison_config(cfg, Path("images"), Path("a.txt"), Path("b.txt"), None)
    assert all("split" not in compared.data[part].data_source for part in ("train", "val"))
