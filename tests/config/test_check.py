"""Typos anywhere in a config are found; what is right passes and stays as it was."""

import copy
from pathlib import Path
from typing import Any

import pytest
from mmcv import Config

from mmselfsup.config.check import check_config, unread_names
from mmselfsup.utils.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.py") if "_base_" not in path.parts)

NORMALIZE = dict(type="Normalize", mean=[0.5] * 3, std=[0.2] * 3)
PIPELINE = [
    dict(type="RandomResizedCrop", size=32),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="ColorJitter", brightness=0.8, hue=0.2)],
        p=0.8,
    ),
    dict(type="GaussianBlur", sigma_min=0.1, sigma_max=2.0, p=0.5),
    dict(type="ToTensor"),
    NORMALIZE,
]
SOURCE = dict(type="ImageList", data_prefix="images", ann_file="train.txt")
CONFIG: dict[str, Any] = dict(
    model=dict(
        type="SimCLR",
        backbone=dict(
            type="ResNet",
            depth=18,
            out_indices=[4],
            norm_cfg=dict(type="BN", requires_grad=True, eps=1e-5),
            init_cfg=[dict(type="Kaiming", layer=["Conv2d"]), dict(type="Constant", val=1)],
        ),
        neck=dict(type="NonLinearNeck", in_channels=512, hid_channels=64, out_channels=32),
        head=dict(type="ContrastiveHead", temperature=0.1),
    ),
    data=dict(
        samples_per_gpu=32,
        workers_per_gpu=2,
        drop_last=True,
        train=dict(
            type="MultiViewDataset", data_source=SOURCE, num_views=[2], pipelines=[PIPELINE]
        ),
        val=dict(type="SingleViewDataset", data_source=SOURCE, pipeline=[NORMALIZE]),
        train_dataloader=dict(shuffle=True),
    ),
    optimizer=dict(
        type="LARS",
        lr=0.3,
        momentum=0.9,
        paramwise_options={"(bn|gn)(\\d+)?.(weight|bias)": dict(lr_mult=1, lars_exclude=True)},
    ),
    optimizer_config=dict(update_interval=2, grad_clip=dict(max_norm=5.0)),
    fp16=dict(loss_scale="dynamic"),
    lr_config=dict(policy="CosineAnnealing", min_lr=0.0, warmup="linear", warmup_iters=10),
    momentum_config=dict(policy="cyclic", target_ratio=(0.85, 1)),
    runner=dict(type="EpochBasedRunner", max_epochs=2),
    checkpoint_config=dict(interval=1, max_keep_ckpts=2, filename_tmpl="e{}.pth"),
    evaluation=dict(interval=1, topk=(1, 5), save_best="balanced_accuracy"),
    log_config=dict(interval=10, hooks=[dict(type="TextLoggerHook", by_epoch=True)]),
    custom_hooks=[dict(type="EmptyCacheHook", after_iter=True, priority="LOW")],
    custom_imports=dict(imports=["math"], allow_failed_imports=False),
    dist_params=dict(backend="nccl"),
    workflow=[("train", 1)],
    load_from=None,
    resume_from=None,
)


def make(changes: dict[str, Any]) -> Config:
    cfg = Config(copy.deepcopy(CONFIG))
    cfg.merge_from_dict(changes)
    return cfg


def test_good_config_passes_unchanged() -> None:
    cfg = make({})
    check_config(cfg)
    assert cfg._cfg_dict.to_dict() == Config(copy.deepcopy(CONFIG))._cfg_dict.to_dict()


UNKNOWN_KEYS = [
    ("optimzer.lr", 0.5, "optimizer"),
    ("model.backbone.dept", 18, "depth"),
    ("model.nekc", dict(type="LinearNeck"), "neck"),
    ("model.head.temprature", 0.1, "temperature"),
    ("model.backbone.norm_cfg.requires_gard", True, "requires_grad"),
    ("model.backbone.init_cfg.0.layers", "Conv2d", "layer"),
    ("data.sample_per_gpu", 32, "samples_per_gpu"),
    ("data.tran", {}, "train"),
    ("data.train.num_view", [2], "num_views"),
    ("data.train.data_source.data_prefx", "x", "data_prefix"),
    ("data.train.pipelines.0.0.sizes", 3, "size"),
    ("data.train.pipelines.0.1.transforms.0.brigthness", 1, "brightness"),
    ("data.val.pipeline.0.stdev", [1], "std"),
    ("data.train_dataloader.shufle", True, "shuffle"),
    ("optimizer.momentun", 0.9, "momentum"),
    ("optimizer_config.update_intervall", 2, "update_interval"),
    ("fp16.loss_scales", 2, "loss_scale"),
    ("lr_config.warmup_iter", 2, "warmup_iters"),
    ("momentum_config.target_ratios", 2, "target_ratio"),
    ("runner.max_epoch", 2, "max_epochs"),
    ("checkpoint_config.intervall", 2, "interval"),
    ("evaluation.top_k", 2, "topk"),
    ("evaluation.savebest", "x", "save_best"),
    ("log_config.interva", 2, "interval"),
    ("log_config.hooks.0.by_epochs", True, "by_epoch"),
    ("custom_hooks.0.after_iters", True, "after_iter"),
    ("custom_imports.import", "x", "imports"),
    ("worflow", [], "workflow"),
]


@pytest.mark.parametrize(("path", "value", "meant"), UNKNOWN_KEYS)
def test_unknown_key(path: str, value: Any, meant: str) -> None:
    top = path.partition(".")[0]
    with pytest.raises(UserError) as error:
        check_config(make({path: value}), "configs/x.py")
    message = str(error.value)
    assert message.startswith("configs/x.py: ")
    assert f"unknown key {path if top in CONFIG else top!r}".replace("'", "") in message.replace(
        "'", ""
    )
    assert f"did you mean {meant!r}?" in message
    assert " takes " in message
    assert "\n" not in message


UNKNOWN_TYPES = [
    ("model.type", "SimCRL", "SimCLR"),
    ("model.backbone.type", "ResNets", "ResNet"),
    ("model.backbone.type", "SwinTransformer", "mmcls.SwinTransformer"),
    ("model.backbone.norm_cfg.type", "SyncBatchNom", "SyncBN"),
    ("data.train.type", "MultiviewDataset", "MultiViewDataset"),
    ("data.train.data_source.type", "ImagList", "ImageList"),
    ("data.train.pipelines.0.0.type", "RandomResizeCrop", "RandomResizedCrop"),
    ("data.train.pipelines.0.1.transforms.0.type", "ColourJitter", "ColorJitter"),
    ("optimizer.type", "LAR", "LARS"),
    ("optimizer.constructor", "TransformerFinetuneConstruct", "TransformerFinetuneConstructor"),
    ("lr_config.policy", "CosineAnealing", "CosineAnnealing"),
    ("runner.type", "EpochRunner", "EpochBasedRunner"),
    ("checkpoint_config.type", "ChekpointHook", "CheckpointHook"),
    ("log_config.hooks.0.type", "TextLogerHook", "TextLoggerHook"),
    ("custom_hooks.0.type", "EmptyCachHook", "EmptyCacheHook"),
]


@pytest.mark.parametrize(("path", "name", "meant"), UNKNOWN_TYPES)
def test_unknown_type(path: str, name: str, meant: str) -> None:
    with pytest.raises(UserError) as error:
        check_config(make({path: name}))
    assert f"unknown type {name!r}" in str(error.value)
    assert meant in str(error.value)


def test_paramwise_options() -> None:
    cfg = make({})
    cfg.optimizer.paramwise_options = {"bias": dict(weight_decy=0.0)}
    with pytest.raises(UserError, match="did you mean 'weight_decay'"):
        check_config(cfg)
    cfg.optimizer.paramwise_options = dict(norm_decay_mult=0.0)  # real 0.x configs say so
    check_config(cfg)
    cfg.optimizer = dict(type="SGD", lr=1, paramwise_cfg=dict(norm_decay_mul=0.0))
    with pytest.raises(UserError, match="did you mean 'norm_decay_mult'"):
        check_config(cfg)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(optimizer="SGD"), "'optimizer' must be a dict with a type"),
        (dict(lr_config=dict(min_lr=0)), "lr_config' must be a dict with a policy"),
        (dict(data=[1]), "'data' must be a dict"),
    ],
)
def test_wrong_kind_of_value(changes: dict[str, Any], message: str) -> None:
    cfg = make({})
    for key, value in changes.items():
        cfg[key] = value
    with pytest.raises(UserError, match=message):
        check_config(cfg)


def test_missing_type() -> None:
    cfg = make({})
    del cfg.model.backbone["type"]
    check_config(cfg)  # a dict without type is no class: the model itself complains when built
    del cfg.model["type"]
    with pytest.raises(UserError, match="'model' has no 'type'; known: "):
        check_config(cfg)


def test_override_is_named_as_the_place() -> None:
    cfg = make({"model.backbone.dept": 18})
    with pytest.raises(UserError, match=r"^--cfg-options model\.backbone\.dept: unknown key"):
        check_config(cfg, "configs/x.py", ["model.backbone.dept=18", "optimizer.lr=1"])


def test_several_faults_name_the_others() -> None:
    with pytest.raises(UserError, match=r"something wrong with optimizer\.lrr"):
        check_config(make({"model.backbone.dept": 18, "optimizer.lrr": 1}))


def test_v050_spellings_pass() -> None:
    cfg = make({"data.imgs_per_gpu": 32, "data.sampling_replace": True})
    del cfg.data["samples_per_gpu"]
    check_config(cfg)


def test_types_of_other_libraries() -> None:
    cfg = make({})
    cfg.model.backbone = dict(type="mmcls.SwinTransformer", arch="tiny")
    check_config(cfg)
    cfg.model.backbone["archi"] = "tiny"
    with pytest.raises(UserError, match=r"'model\.backbone\.archi'; did you mean 'arch'"):
        check_config(cfg)
    cfg.model.backbone = dict(type="nolib.Net")
    with pytest.raises(UserError, match=r"unknown type 'nolib\.Net'"):
        check_config(cfg)


def test_list_of_datasets_and_wrappers() -> None:
    cfg = make({})
    inner = copy.deepcopy(CONFIG["data"]["train"])
    cfg.data.train = [inner, dict(type="RepeatDataset", times=2, dataset=inner)]
    check_config(cfg)
    cfg.data.train[1]["dataset"]["pipelines"][0][0]["sizes"] = 1
    with pytest.raises(UserError, match=r"data\.train\.1\.dataset\.pipelines\.0\.0\.sizes"):
        check_config(cfg)


HELPERS = """
size = 32
norm = dict(mean=[0.5, 0.5, 0.5], std=[0.2, 0.2, 0.2])
dataset_type = 'SingleViewDataset'
data = dict(train=dict(
    type='SingleViewDataset',
    data_source=dict(type='ImageList', data_prefix='x'),
    pipeline=[dict(type='Resize', size=size), dict(type='Normalize', **norm)]))
"""


def test_helper_variables_are_taken_out(tmp_path: Path) -> None:
    file = tmp_path / "helpers.py"
    file.write_text(HELPERS)
    cfg = Config.fromfile(str(file))
    check_config(cfg, str(file))
    assert set(cfg._cfg_dict) == {"data"}
    dumped = tmp_path / "dumped.py"
    cfg.dump(str(dumped))
    again = Config.fromfile(str(dumped))
    check_config(again, str(dumped))
    assert again._cfg_dict == cfg._cfg_dict


def test_variable_that_nobody_reads(tmp_path: Path) -> None:
    file = tmp_path / "helpers.py"
    file.write_text(HELPERS + "optimzer = dict(type='SGD', lr=1)\n")
    with pytest.raises(UserError, match="unknown key 'optimzer'; did you mean 'optimizer'"):
        check_config(Config.fromfile(str(file)), str(file))


UNKNOWN_NAMES = ["norm", "view", "my_head", "data_root", "dataset", "source", "steps", "backbone"]


@pytest.mark.parametrize("name", UNKNOWN_NAMES)
def test_name_that_is_like_no_setting_stays(name: str) -> None:
    cfg = make({name: dict(a=1)})
    check_config(cfg)
    assert unread_names(cfg) == [name]
    with pytest.raises(UserError, match=f"--cfg-options {name}.a: unknown key"):
        check_config(cfg, "configs/x.py", [f"{name}.a=1"])  # whoever sets it expects an effect


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("log_cfg", "log_config"),
        ("lr_cfg", "lr_config"),
        ("custom_hook", "custom_hooks"),
        ("models", "model"),
        ("Seed", "seed"),
        ("test_pipelines", "test_pipeline"),
    ],
)
def test_name_that_looks_misspelt(name: str, meant: str) -> None:
    with pytest.raises(UserError, match=f"unknown key '{name}'; did you mean '{meant}'"):
        check_config(make({name: 1}))


def test_helper_with_a_name_like_a_setting_is_known_by_its_value() -> None:
    cfg = make({})
    cfg.data2 = copy.deepcopy(cfg.data.train.pipelines[0])
    check_config(cfg)
    assert unread_names(cfg) == ["data2"]
    cfg.data2[0]["size"] = 31
    with pytest.raises(UserError, match="unknown key 'data2'"):
        check_config(cfg)


@pytest.mark.parametrize(
    "override", ["size=64", "norm.mean=[0,0,0]", "img_norm_cfg.mean=1", "dataset_type=X", "lr=0.1"]
)
def test_override_of_a_helper_has_no_effect_and_is_an_error(tmp_path: Path, override: str) -> None:
    file = tmp_path / "helpers.py"
    file.write_text(HELPERS)
    cfg = Config.fromfile(str(file))
    key, _, value = override.partition("=")
    cfg.merge_from_dict({key: value})
    with pytest.raises(UserError, match="is a variable of the config file"):
        check_config(cfg, str(file), [override])


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT / "configs")))
def test_configs_of_the_project(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    check_config(cfg, str(path))
    check_config(cfg)  # nothing is left that only the file explains


def test_there_are_configs() -> None:
    assert len(CONFIGS) > 10


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (dict(policy="step"), r"lr_config: policy 'step' needs lr_config\.step=\[60, 80\]"),
        (dict(policy="Step", gamma=0.1), r"policy 'Step' needs lr_config\.step=\[60, 80\]"),
        (dict(policy="exp"), r"policy 'exp' needs lr_config\.gamma=0\.1"),
        (dict(policy="CosineRestart", min_lr=0), r"needs lr_config\.periods=\[10, 20\]"),
        (dict(policy="OneCycle"), r"needs lr_config\.max_lr=0\.1"),
        (dict(policy="poly"), ""),
        (dict(policy="step", step=3), ""),
    ],
)
def test_a_policy_without_what_it_needs(policy: dict[str, Any], message: str) -> None:
    cfg = Config({**copy.deepcopy(CONFIG), "lr_config": policy})
    if not message:
        check_config(cfg)
        return
    with pytest.raises(UserError, match=message):
        check_config(cfg)
