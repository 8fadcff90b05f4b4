"""Environment and command line."""

from pathlib import Path

import pytest

from mmselfsup.study.cli import parse
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.values import parse_lrs
from mmselfsup.utils.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with the configs that names are looked up in."""
    for name in (
        "selfsup/simclr/simclr_a_isic2019.py",
        "selfsup/simclr/simclr_b_isic2019-64.py",
        "selfsup/simclr/simclr_c_isic2019-demo.py",
        "selfsup/byol/byol_isic2019.py",
        "selfsup/byol/byol_isic2019-64.py",
        "selfsup/odc/odc_in1k.py",
        "benchmarks/classification/isic2019/r50_isic2019.py",
        "benchmarks/classification/isic2019/r18_isic2019-64.py",
        "benchmarks/classification/isic2019/r18_isic2019-demo.py",
    ):
        path = tmp_path / "repo" / "configs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "repo"


@pytest.fixture
def isic(tmp_path: Path) -> str:
    folder = tmp_path / "isic" / "images"
    folder.mkdir(parents=True)
    (folder / "ISIC_1.jpg").touch()
    return str(tmp_path / "isic")


def one(argv: list[str], env: dict[str, str], root: Path) -> StudySettings:
    (study,) = parse(argv, env, root).studies
    return study


def test_defaults(root: Path, isic: str) -> None:
    settings = one([], {"ISIC_ROOT": isic}, root)
    assert settings.ssl_configs["simclr"].name == "simclr_a_isic2019.py"
    assert settings.finetune_config.name == "r50_isic2019.py"
    assert settings.work_dir == Path("work_dirs/isic2019/simclr_fold0_seed0")
    assert settings.arms == ("scratch", "simclr")
    assert (settings.fold, settings.seed, settings.gpus, settings.lrs) == (0, 0, 0, ())


def test_demo_needs_no_data(root: Path) -> None:
    settings = one(["--demo"], {"SEED": "3"}, root)
    assert settings.ssl_configs["simclr"].name == "simclr_c_isic2019-demo.py"
    assert settings.finetune_config.name == "r18_isic2019-demo.py"
    assert settings.data_root == settings.work_dir / "data" / "isic2019"
    assert settings.seed == 3


def test_everything_given(root: Path, isic: str, tmp_path: Path) -> None:
    env = {
        "ISIC_ROOT": isic, "WORK_DIR": str(tmp_path / "w"), "ALGORITHM": "byol", "FOLD": "2",
        "GPUS": "4", "FINETUNE_LRS": "0.1, 0.01 0.1", "JOBS": "3",
        "SSL_CONFIG": "configs/selfsup/odc/odc_in1k.py",
    }  # fmt: skip
    argv = ["a=1", "--cfg-options", "b=2", "--ssl-options", "c=3", "--finetune-options", "d=4"]
    settings = one(argv, env, root)
    assert settings.options == ("a=1", "b=2")
    assert settings.ssl_options == ("c=3",)
    assert settings.finetune_options == ("d=4",)
    assert settings.lrs == (0.01, 0.1)
    assert settings.ssl_configs == {"byol": root / "configs/selfsup/odc/odc_in1k.py"}
    assert settings.arms == ("scratch", "byol")
    assert (settings.fold, settings.gpus, settings.jobs) == (2, 4, 3)
    assert settings.work_dir == tmp_path / "w"


def test_lists_given_in_parts_are_joined(root: Path, isic: str) -> None:
    """argparse dropped all but the last in silence: overrides, and sets of other clinics."""
    argv = [
        "--cfg-options",
        "a=1",
        "--cfg-options",
        "b=2",
        "--ssl-options=c=3",
        "--ssl_options=d=4",
    ]
    settings = one(argv, {"ISIC_ROOT": isic}, root)
    assert settings.options == ("a=1", "b=2")
    assert settings.ssl_options == ("c=3", "d=4")


def test_size_selects_the_small_configs(root: Path, isic: str) -> None:
    settings = one([], {"ISIC_ROOT": isic, "SIZE": "64", "ALGORITHM": "byol"}, root)
    assert settings.ssl_configs["byol"].name == "byol_isic2019-64.py"
    assert settings.finetune_config.name == "r18_isic2019-64.py"
    assert settings.work_dir.name == "byol-64_fold0_seed0"
    assert one(["--demo"], {"SIZE": "64", "ALGORITHM": "byol"}, root).demo


def test_a_transformer_gets_its_classifier(root: Path, isic: str) -> None:
    for name in ("selfsup/mae/mae_vit-a_isic2019-64.py", "selfsup/cae/cae_vit-a_isic2019-64.py"):
        path = root / "configs" / name
        path.parent.mkdir(parents=True)
        path.touch()
    classifiers = root / "configs/benchmarks/classification/isic2019"
    (classifiers / "vit-a_isic2019-64.py").touch()
    (classifiers / "vit-a_metadata_isic2019-64.py").touch()
    env = {"ISIC_ROOT": isic, "SIZE": "64"}
    assert one([], env, root).finetune_config.name == "r18_isic2019-64.py"
    for algorithm in ("mae", "mae cae"):
        settings = one([], {**env, "ALGORITHM": algorithm}, root)
        assert settings.finetune_config.name == "vit-a_isic2019-64.py"
    with pytest.raises(UserError, match=r"different backbones \(mae: vit-a, simclr: r18\)"):
        one(["--compare"], {**env, "ALGORITHM": "mae simclr"}, root)
    named = {**env, "ALGORITHM": "mae", "FINETUNE_CONFIG": str(classifiers / "r50_isic2019.py")}
    assert one([], named, root).finetune_config.name == "r50_isic2019.py"


def test_several_follow_one_another_or_are_compared(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "ALGORITHM": "simclr byol"}
    settings = one([], env, root)
    assert settings.sequences == (("simclr",), ("simclr", "byol"))
    assert settings.arms == ("scratch", "simclr+byol")
    assert settings.work_dir.name == "simclr+byol_fold0_seed0"
    settings = one(["--compare"], env, root)
    assert settings.sequences == (("simclr",), ("byol",))
    assert settings.arms == ("scratch", "simclr", "byol")
    assert settings.work_dir.name == "compare_simclr_byol_fold0_seed0"
    first, second = "configs/selfsup/odc/odc_in1k.py", "configs/selfsup/byol/byol_isic2019.py"
    settings = one([], {**env, "SSL_CONFIG": f"{first} {second}"}, root)
    assert settings.ssl_configs == {"simclr": root / first, "byol": root / second}


def test_a_greedy_curriculum(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "ALGORITHM": "simclr byol"}
    assert one([], env, root).min_gain is None
    settings = one(["--curriculum", "greedy"], env, root)
    assert settings.min_gain == 0.01
    assert settings.work_dir.name == "greedy_simclr_byol_fold0_seed0"
    assert one(["--curriculum=greedy", "--min-gain", "0.5"], env, root).min_gain == 0.5


def test_images_of_the_pretrainings(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "FOLD": "3"}
    assert one([], env, root).ssl_list == one(["--ssl-on", "train"], env, root).split("train")
    settings = one(["--ssl-on", "all"], env, root)
    assert settings.ssl_on == "all"
    assert settings.work_dir.name == "simclr_ssl-on-all_fold3_seed0"  # beside that of `train`
    assert settings.ssl_list == settings.work_dir / "data" / "ISIC_2019_train+test_fold3.txt"


def test_folds_and_seeds(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "FOLDS": "0 3", "SEEDS": "1,2", "WORK_DIR": "/tmp/w"}
    request = parse([], env, root)
    assert [(s.fold, s.seed) for s in request.studies] == [(0, 1), (3, 1), (0, 2), (3, 2)]
    assert request.studies[1].work_dir == Path("/tmp/w/fold3_seed1")
    assert {s.splits_dir for s in request.studies} == {Path("/tmp/w/data/splits")}
    assert request.several
    assert not parse([], {"ISIC_ROOT": isic}, root).several


@pytest.mark.parametrize(
    ("argv", "env", "message"),
    [
        ([], {"ISIC_ROOT": ""}, "ISIC_ROOT is not set.*--demo"),
        ([], {"ISIC_ROOT": "/nowhere"}, "ISIC_ROOT=/nowhere: .*--demo"),
        ([], {"ALGORITHM": "foo"}, "ALGORITHM=foo .* available: byol, simclr"),
        (["--demo"], {"ALGORITHM": "byol"}, "ALGORITHM=byol .* available: simclr .*SIZE=64"),
        ([], {"ALGORITHM": "byol byol"}, "byol twice"),
        ([], {"ALGORITHM": "../byol"}, "'../byol' is no name"),
        ([], {"ALGORITHM": "simclr byol", "SSL_CONFIG": "a.py"}, "1 configs for the 2"),
        ([], {"SIZE": "32"}, r"no ISIC-2019 \(SIZE=32\) config"),
        ([], {"FOLDS": "0 0"}, "FOLDS='0 0'"),
        ([], {"FOLDS": "0 x"}, "FOLDS: 'x'"),
        ([], {"SEED": "1", "SEEDS": "0 1"}, "SEED and SEEDS"),
        ([], {"ALGORITHM": "scratch"}, "always part"),
        ([], {"SSL_CONFIG": "configs/none.py"}, "no config configs/none.py"),
        ([], {"SEED": "x"}, "SEED: 'x'"),
        ([], {"FOLD": "-1"}, "FOLD: '-1'"),
        ([], {"FINETUNE_LRS": "0.1 fast"}, "FINETUNE_LRS"),
        ([], {"FINETUNE_LRS": "0"}, "positive"),
        ([], {"SPLITS": "none"}, "no such folder"),
        ([], {"SPLITS": "--out x"}, "--out can't be given"),
        ([], {"SPLITS": "--seed '1"}, "SPLITS=--seed '1: No closing"),
        (["--curriculum", "greedy"], {}, "several pre-trainings: name two or more"),
        (
            ["--curriculum", "greedy", "--compare"],
            {"ALGORITHM": "simclr byol"},
            "--curriculum greedy and --compare contradict",
        ),
        (["--min-gain", "0.1"], {}, "--min-gain is for --curriculum greedy"),
        (["--ssl-on", "test"], {}, "--ssl-on test: give train or all"),
        (["optimizer.lr"], {}, "unknown argument 'optimizer.lr'"),
    ],
)
def test_mistakes_are_one_clear_line(
    root: Path, isic: str, argv: list[str], env: dict[str, str], message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        parse(argv, {"ISIC_ROOT": isic, **env}, root)
    assert "\n" not in str(error.value)


def test_folder_without_images(root: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no images.*prepare_data\.md"):
        parse([], {"ISIC_ROOT": str(tmp_path / "empty")}, root)


def test_overrides_on_both_sides_of_a_flag(root: Path) -> None:
    assert one(["a=1", "--demo", "b=2"], {}, root).options == ("a=1", "b=2")


def test_splits(root: Path, isic: str, tmp_path: Path) -> None:
    options = {"ISIC_ROOT": isic, "SPLITS": "--group-duplicates --seed 1"}
    assert one([], options, root).splits == ("--group-duplicates", "--seed", "1")
    study = one([], {"ISIC_ROOT": isic, "SPLITS": str(tmp_path)}, root)
    assert study.splits == ()
    assert study.splits_dir == tmp_path


def test_lrs() -> None:
    assert parse_lrs("") == ()
    assert parse_lrs("3e-2,0.1") == (0.03, 0.1)
    assert parse_lrs("0.1 0.1000001 0.00012345678") == (0.000123457, 0.1)  # as folders name them


def test_starts_and_labels(root: Path, isic: str, tmp_path: Path) -> None:
    weights = tmp_path / "in1k.pth"
    weights.touch()
    env = {"ISIC_ROOT": isic, "SIZE": "64"}
    argv = ["--start", "scratch", f"imagenet={weights}", f"imagenet={weights}+ssl:full"]
    settings = one([*argv, "--labels", "10%", "100%", "--draws", "2"], env, root)
    assert settings.arms == ("scratch", "from-imagenet", "from-imagenet+simclr@full")
    assert (settings.labels, settings.draws) == ((10.0,), 2)
    assert [tasks for _, tasks in settings.chains] == [("simclr",)]
    name = "starts_scratch_imagenet_imagenet-ssl-full_simclr-64_fold0_seed0"
    assert settings.work_dir.name == name
    assert one(["--labels", "1%"], env, root).draws == 3
    assert one([], env, root).starts == ()


def test_a_teacher_needs_the_config_of_its_student(root: Path, isic: str, tmp_path: Path) -> None:
    weights = tmp_path / "teacher.pth"
    weights.touch()
    argv, env = ["--start", "ssl", f"distilled={weights}"], {"ISIC_ROOT": isic}
    with pytest.raises(UserError, match="ALGORITHM=distillation has no ISIC-2019"):
        one(argv, env, root)
    config = root / "configs/selfsup/distillation/distillation_a_isic2019.py"
    config.parent.mkdir()
    config.touch()
    settings = one(argv, env, root)
    assert settings.arms == ("simclr", "distillation")
    assert settings.sequences == (("simclr",),)
    assert [tasks for _, tasks in settings.chains] == [("simclr",), ("distillation",)]
    with pytest.raises(UserError, match="distilled=TEACHER and ALGORITHM=distillation"):
        one(argv, {**env, "ALGORITHM": "distillation"}, root)


def test_weights_of_ssl_options_are_a_start(root: Path, isic: str, tmp_path: Path) -> None:
    weights = tmp_path / "in1k.pth"
    weights.touch()
    settings = one(["--ssl-options", f"load_from={weights}", "a=1"], {"ISIC_ROOT": isic}, root)
    assert settings.arms == ("scratch", "from-in1k+simclr")
    assert settings.ssl_options == ("a=1",)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--draws", "2"], "--draws is for --labels"),
        (["--labels", "1%", "--draws", "0"], "--draws: '0' must be a whole number of at least 1"),
        (["--start", "scratch", "--curriculum", "greedy"], "starts from random weights"),
        (["--start", "x"], "no pre-training x .* there are ssl, byol, simclr; give scratch"),
    ],
)
def test_starts_that_can_not_be_used(argv: list[str], message: str, root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "ALGORITHM": "simclr byol"}
    with pytest.raises(UserError, match=message):
        parse(argv, env, root)


@pytest.fixture
def dino(root: Path) -> str:
    """Add a pre-training that ALGORITHM does not name."""
    config = root / "configs/selfsup/dino/dino_a_isic2019-64.py"
    config.parent.mkdir(exist_ok=True)
    config.touch()
    return str(config)


@pytest.mark.usefixtures("dino")
def test_starts_name_further_pretrainings(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "SIZE": "64", "ALGORITHM": "simclr"}
    settings = one(["--start", "scratch", "ssl", "ssl+dino"], env, root)
    assert settings.arms == ("scratch", "simclr", "simclr+dino")
    assert [*settings.ssl_configs] == ["simclr", "dino"]
    assert settings.algorithms == ("simclr",)
    assert settings.sequences == (("simclr",),)
    name = "starts_scratch_ssl_ssl+dino_simclr-64_fold0_seed0"
    assert settings.work_dir.name == name
    del env["ALGORITHM"]
    alone = one(["--start", "scratch", "dino"], env, root)
    assert [*alone.ssl_configs] == ["dino"]  # nobody asked for the SimCLR that is the default
    assert [*one(["--start", "scratch"], env, root).ssl_configs] == []


@pytest.mark.parametrize("compare", [[], ["--compare"]])
@pytest.mark.parametrize("starts", [["scratch", "dino"], ["scratch"], ["dino", "simclr"]])
@pytest.mark.usefixtures("dino")
def test_an_algorithm_that_no_start_has_is_refused(
    starts: list[str], compare: list[str], root: Path, isic: str
) -> None:
    env = {"ISIC_ROOT": isic, "SIZE": "64", "ALGORITHM": "simclr byol"}
    with pytest.raises(
        UserError, match=r"ALGORITHM=simclr byol: no --start has (simclr|byol): add"
    ):
        parse([*compare, "--start", *starts], env, root)
    env["ALGORITHM"] = "simclr"  # named by the start itself
    assert one([*compare, "--start", "simclr"], env, root).arms == ("simclr",)


def test_options_of_no_pretraining_are_refused(root: Path, isic: str) -> None:
    argv = ["--start", "scratch", "--ssl-options", "a=1"]
    with pytest.raises(UserError, match="--ssl-options a=1: no --start has a pre-training"):
        parse(argv, {"ISIC_ROOT": isic}, root)


@pytest.mark.usefixtures("dino")
def test_a_file_called_as_a_pretraining_has_another_folder(
    root: Path, isic: str, tmp_path: Path
) -> None:
    (tmp_path / "a.pth").touch()
    env = {"ISIC_ROOT": isic, "SIZE": "64"}
    texts = "dino", f"dino={tmp_path / 'a.pth'}", f"mine={tmp_path / 'a.pth'}"
    names = [one(["--start", text], env, root).work_dir.name for text in texts]
    assert names[0] == "starts_dino-64_fold0_seed0"
    assert names[1] == "starts_from-dino_simclr-64_fold0_seed0"
    assert names[2] == "starts_mine_simclr-64_fold0_seed0"


@pytest.mark.usefixtures("dino")
def test_compared_pretrainings_are_all_continued(root: Path, isic: str) -> None:
    env = {"ISIC_ROOT": isic, "SIZE": "64", "ALGORITHM": "simclr byol"}
    settings = one(["--compare", "--start", "ssl", "ssl+dino"], env, root)
    assert settings.arms == ("simclr", "byol", "simclr+dino", "byol+dino")
    curriculum = one(["--start", "ssl", "ssl+dino"], env, root)
    assert curriculum.arms == ("simclr+byol", "simclr+byol+dino")
    tasks = [tasks for _, tasks in curriculum.chains]
    assert tasks == [("simclr",), ("simclr", "byol"), ("simclr", "byol", "dino")]


@pytest.mark.parametrize(
    ("starts", "message"),
    [
        (["ssl", "simclr"], "two of its values are simclr .ssl stands for simclr"),
        (["ssl+simclr"], "simclr is there twice"),
        (["dino+byol+dino"], "dino is there twice"),
    ],
)
@pytest.mark.usefixtures("dino")
def test_starts_that_repeat_a_pretraining(
    starts: list[str], message: str, root: Path, isic: str
) -> None:
    with pytest.raises(UserError, match=message):
        parse(["--start", *starts], {"ISIC_ROOT": isic, "SIZE": "64"}, root)
