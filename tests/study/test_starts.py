"""--start: any set of arms, whose names say what they start from."""

import dataclasses
import json
from pathlib import Path

import pytest

from mmselfsup.core.adaptation import OPTIONS
from mmselfsup.isic.challenge import METADATA
from mmselfsup.study import pipeline
from mmselfsup.study.find_configs import find_ssl_config
from mmselfsup.study.records import Results, read_results
from mmselfsup.study.report.labels import label_curves
from mmselfsup.study.report.tables import (
    arm_titles,
    at_the_edge,
    compare,
    display_name,
    run_label,
)
from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages.arms import arm_record
from mmselfsup.study.stages.lr_search import choose_lr
from mmselfsup.study.starts import (
    ADAPTATIONS,
    Start,
    find_starts,
    hidden_start,
    read_starts,
    split_arm,
)
from mmselfsup.utils.errors import UserError
from tests.study.conftest import CONFIGS
from tests.study.fake_tools import calls
from tests.study.study_data import make_run, make_search

W = "weights/pre.pth"


def read(*texts: str) -> tuple[Start, ...]:
    return read_starts(texts, lambda text: Path(text).expanduser(), ("simclr", "dino", "supcon"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of weights, relative to the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / W
    path.parent.mkdir()
    path.write_text("weights")
    return W


# -- the values of --start


@pytest.mark.usefixtures("file")
def test_every_kind_of_start_has_an_arm_of_its_own() -> None:
    starts = read(
        "scratch", "ssl", f"pre={W}", f"pre={W}+ssl", f"pre={W}+ssl:lora", f"distilled={W}"
    )
    assert [(s.weights, s.ssl, s.adapt) for s in starts] == [
        (None, False, None),
        (None, True, None),
        (W, False, None),
        (W, True, None),
        (W, True, "lora"),
        (W, True, None),
    ]
    arms = [s.arm(("simclr", "byol") if s.ssl else ()) for s in starts]
    assert arms[:5] == [
        "scratch",
        "simclr+byol",
        "from-pre",
        "from-pre+simclr+byol",
        "from-pre+simclr+byol@lora",
    ]
    assert split_arm(arms[4]) == ("pre", ("simclr", "byol"), "lora")
    assert split_arm("from-pre") == ("pre", (), "")
    assert split_arm("scratch") == ("", ("scratch",), "")


def test_an_address_needs_no_file() -> None:
    (start,) = read("dino=timm://vit_small_patch14_dinov2.lvd142m+ssl:apla")
    assert start.weights == "timm://vit_small_patch14_dinov2.lvd142m"
    assert start.adapt == "apla"


@pytest.mark.parametrize(
    "address",
    ["https://h/a.pth?sig=ab+cd==", "hf://org/a+b", "https://h/x%2Bdino"],
)
def test_an_address_may_have_a_plus(address: str) -> None:
    assert read(f"w={address}") == (Start("w", address),)
    assert read(f"w={address}+dino") == (Start("w", address, ("dino",)),)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["pre=hf://org/a+simcrl"], "no pre-training simcrl .* is written %2B"),
        (["dino+"], "a pre-training is missing beside [+]"),
        (["+dino"], "a pre-training is missing beside [+]"),
        (["dino++simclr"], "a pre-training is missing beside [+]"),
        ([":lora"], "no pre-training :lora has"),
        (["w=" + "x" * 300], "there is no file xxx"),
        (["x" * 300], "no pre-training xxx"),
        (["x" * 300 + "+dino"], "no pre-training xxx"),
        (["w=~nobodyx/x.pth"], "there is no file ~nobodyx/x.pth"),
        (
            ["nothing"],
            "nothing .* there are ssl, dino, simclr, supcon; give scratch, ssl",
        ),
        (["simclr+nothing"], "no pre-training nothing .* there are ssl, dino"),
        ([f"pre={W}+supcom"], "no pre-training supcom .* there are ssl, dino"),
        (["pre=timm://a+supcom"], "no pre-training supcom .* there are ssl, dino"),
        (["simclr:lora"], "simclr starts from random weights.*NAME=FILE[+]simclr:lora"),
        (["simclr:lora+dino"], "stands after the last pre-training"),
        (["simclr+dino:magic"], "no adaptation magic"),
        (["simclr", "simclr"], "names simclr twice"),
        (["scratch=x.pth"], "give scratch"),
        (["pre=none.pth"], "there is no file none.pth"),
        ([f"pre={W}+ssl:magic"], "no adaptation magic; .*lora"),
        ([f"distilled={W}+ssl"], "names a teacher"),
        (["ssl", "ssl"], "names ssl twice"),
        ([f"pre={W}", "pre=timm://a"], f"pre stands for {W} and for timm://a"),
        ([f"from-a={W}"], "give scratch"),
    ],
)
@pytest.mark.usefixtures("file")
def test_values_that_can_not_be_used(texts: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        read(*texts)


def test_adaptations_are_those_of_the_config() -> None:
    assert set(ADAPTATIONS) == set(OPTIONS)


def test_weights_in_ssl_options_become_a_start(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (f"load_from={file}", "optimizer.lr=1")
    starts, others = find_starts([], options, Path)
    assert [start.arm(("simclr",)) for start in starts] == ["scratch", "from-pre+simclr"]
    assert others == ("optimizer.lr=1",)
    assert f"--start scratch pre={file} pre={file}+ssl" in capsys.readouterr().out
    assert hidden_start(("optimizer.lr=1",)) == (None, ("optimizer.lr=1",))
    with pytest.raises(UserError, match=r"load_from=.* with --start"):
        find_starts(["scratch"], options, Path)


# -- names in tables


@pytest.mark.parametrize(
    ("arm", "name"),
    [
        ("scratch", "from scratch"),
        ("simclr", "SimCLR"),
        ("from-imagenet", "imagenet weights"),
        ("from-imagenet+simclr", "SimCLR from imagenet weights"),
        ("from-dinov2+mae+simclr@lora", "MAE → SimCLR from dinov2 weights (LoRA)"),
        ("distillation", "Distillation"),
    ],
)
def test_names_say_the_start(arm: str, name: str) -> None:
    assert display_name(arm) == name


def test_sentences_say_the_start() -> None:
    scratch = make_run("scratch", 1.0)
    for arm, skill, text in [
        ("from-imagenet", 3.0, "Starting from imagenet weights helps: "),
        ("from-imagenet+simclr", 3.0, "Pre-training by SimCLR from imagenet weights helps: "),
        ("simclr", 3.0, "SimCLR pre-training helps: "),
        ("from-a", 1.0, "No clear difference: Starting from a weights gives "),
    ]:
        comparison = compare(scratch, make_run(arm, skill))
        assert comparison is not None
        assert comparison.text.startswith(text)


def test_a_run_whose_override_loads_weights_says_so() -> None:
    run = make_run("simclr", 1.0)
    ssl = dataclasses.replace(run.ssl[0], cfg_options=["load_from='my dir/in1k.pth'"])
    assert run_label(dataclasses.replace(run, ssl=[ssl])) == "SimCLR from in1k.pth weights"
    assert run_label(run) == "SimCLR"


# -- a study


@pytest.fixture
def starting(study: StudySettings) -> StudySettings:
    """A study of every kind of start but a teacher, with two learning rates."""
    Path("pre.pth").write_text("weights")
    texts = ("scratch", "ssl", "pre=pre.pth", "pre=pre.pth+ssl", "pre=pre.pth+ssl:full")
    return dataclasses.replace(study, starts=read(*texts), lrs=(0.01, 0.1))


ARMS = ["scratch", "simclr", "from-pre", "from-pre+simclr", "from-pre+simclr@full"]


@pytest.mark.usefixtures("no_drawing")
def test_each_start_is_an_arm(starting: StudySettings, capfd: pytest.CaptureFixture[str]) -> None:
    results = pipeline.run_study(starting)
    done = calls(starting.root)
    assert [call for call in done if "/ssl/" in call] == [
        "train work/ssl/from-pre+simclr from pre.pth",
        "train work/ssl/from-pre+simclr@full from pre.pth",
        "train work/ssl/simclr",
    ]
    assert [run.arm for run in results.runs] == ARMS
    assert [run.weights for run in results.runs] == [
        None,
        "ssl/simclr/backbone.pth",
        "pre.pth",
        "ssl/from-pre+simclr/backbone.pth",
        "ssl/from-pre+simclr@full/backbone.pth",
    ]
    assert {call for call in done if "final" in call} == {
        f"train work/finetune/{arm}/final" for arm in ARMS
    }
    output = capfd.readouterr().out
    adapted = next(line for line in output.splitlines() if "@full --seed" in line)
    assert "adapt.type=full" in adapted
    assert "adapt.monitor.data=work/monitor_data.py" in adapted  # as for any adaptation
    assert "SimCLR from pre weights (all weights)" in output
    assert "Holm" in output
    assert [len(run.ssl) for run in results.runs] == [0, 1, 0, 1, 1]

    pipeline.run_study(starting)
    assert calls(starting.root) == []
    Path("pre.pth").write_text("other weights")
    pipeline.run_study(starting)
    again = calls(starting.root)
    assert [call for call in again if "/ssl/" in call] == [
        "train work/ssl/from-pre+simclr from pre.pth",
        "train work/ssl/from-pre+simclr@full from pre.pth",
    ]
    assert "train work/finetune/from-pre/final" in again
    assert not [call for call in again if "scratch" in call or "finetune/simclr/" in call]


@pytest.mark.usefixtures("no_drawing")
def test_the_cost_of_all_stages_is_counted(starting: StudySettings) -> None:
    results = pipeline.run_study(starting)
    arms = {arm.arm: arm for arm in results.arms}
    # One epoch: 2 images of the training list, 2 views of each; a search of 2 rates on 2 images.
    assert [arm.pretraining_passes for arm in arms.values()] == [0, 4, 0, 4, 4]
    assert {arm.finetuning_passes for arm in arms.values()} == {2 * 2 + 2}
    assert arms["from-pre"].sha256 == arms["from-pre+simclr"].sha256 != ""
    assert arms["scratch"].weights is None
    assert arms["from-pre+simclr@full"].adapt == "full"
    read_again = read_results(starting.work_dir / "results.json")
    assert read_again.arms == results.arms


@pytest.mark.usefixtures("no_drawing")
def test_without_starts_nothing_is_added(study: StudySettings) -> None:
    pipeline.run_study(dataclasses.replace(study, lrs=(0.1,)))
    written = json.loads((study.work_dir / "results.json").read_text())
    assert {"arms", "labels"}.isdisjoint(written)
    assert read_results(study.work_dir / "results.json").arms == []


@pytest.mark.usefixtures("no_drawing")
def test_a_student_is_distilled_from_a_teacher(
    study: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    Path("teacher.pth").write_text("weights")
    configs = {**study.ssl_configs, "distillation": find_ssl_config(CONFIGS, "distillation", "64")}
    classifier = CONFIGS / "benchmarks/classification/isic2019"
    study = dataclasses.replace(
        study,
        starts=read("scratch", "distilled=teacher.pth"),
        ssl_configs=configs,
        finetune_config=classifier / "resnet18_1xb128-coslr-30e_isic2019-64.py",
        lrs=(0.1,),
    )
    results: Results = pipeline.run_study(study)
    assert [run.arm for run in results.runs] == ["scratch", "distillation"]
    assert [call for call in calls(study.root) if "/ssl/" in call] == [
        "train work/ssl/distillation"
    ]
    assert "model.teacher.checkpoint=teacher.pth" in capfd.readouterr().out
    assert (results.arms[1].teacher, results.arms[1].weights) == ("teacher.pth", None)


def test_an_adaptation_of_attention_needs_a_transformer(study: StudySettings) -> None:
    Path("pre.pth").write_text("weights")
    with pytest.raises(UserError, match=r"ssl:lora changes the attention .* is a ResNet"):
        pipeline.check(dataclasses.replace(study, starts=read("scratch", "pre=pre.pth+ssl:lora")))


# -- pre-trainings by their names


def test_starts_name_pretrainings(file: str) -> None:
    texts = "dino", "ssl+supcon", f"pre={W}+dino:lora", f"pre={W}+ssl+dino", "simclr+dino:lora"
    ssl = [("simclr", "byol")]
    arms = [[s.arm(tasks) for tasks in s.sequences(ssl)] for s in read(*texts)]
    assert arms == [
        ["dino"],
        ["simclr+byol+supcon"],
        ["from-pre+dino@lora"],
        ["from-pre+simclr+byol+dino"],
        ["simclr+dino@lora"],
    ]
    words = [start.word() for start in read(*texts)]
    assert words == ["dino", "ssl+supcon", "pre-dino-lora", "pre-ssl+dino", "simclr+dino-lora"]


def test_a_plus_in_the_name_of_a_file_is_no_pretraining(file: str) -> None:
    Path("a+dino").write_text("weights")
    Path("b+c.pth").write_text("weights")
    one, other = read("a=a+dino+dino", "b=b+c.pth+simclr")
    assert (one.weights, one.tasks) == ("a+dino", ("dino",))
    assert (other.weights, other.tasks) == ("b+c.pth", ("simclr",))


def test_a_file_may_be_called_as_a_pretraining(file: str) -> None:
    assert [start.arm(start.tasks) for start in read("dino", f"dino={W}", f"dino={W}+dino")] == [
        "dino",
        "from-dino",
        "from-dino+dino",
    ]


@pytest.fixture
def several(study: StudySettings) -> StudySettings:
    """A study whose starts name three pre-trainings, one of which reads labels."""
    Path("pre.pth").write_text("weights")
    texts = ("scratch", "ssl", "ssl+dino:full", "supcon", "pre=pre.pth+supcon", "simclr+supcon")
    names = ("simclr", "dino", "supcon")
    classifier = CONFIGS / "benchmarks/classification/isic2019"
    return dataclasses.replace(
        study,
        starts=read(*texts),
        ssl_configs={name: find_ssl_config(CONFIGS, name, "64") for name in names},
        algorithms=("simclr",),
        finetune_config=classifier / "resnet18_1xb128-coslr-30e_isic2019-64.py",
        lrs=(0.1,),
    )


@pytest.mark.usefixtures("no_drawing")
def test_a_study_of_several_pretrainings(
    several: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    options = ("model.head.temperature=0.3", "optimizer.lr=0.07")
    several = dataclasses.replace(several, ssl_options=options)
    results = pipeline.run_study(several)
    assert [run.arm for run in results.runs] == [
        "scratch",
        "simclr",
        "simclr+dino@full",
        "supcon",
        "from-pre+supcon",
        "simclr+supcon",
    ]
    done = [call for call in calls(several.root) if "/ssl/" in call]
    assert sorted(done) == [  # SimCLR once, for the three arms that begin with it
        "train work/ssl/from-pre+supcon from pre.pth",
        "train work/ssl/simclr",
        "train work/ssl/simclr+dino@full from work/ssl/simclr/backbone.pth",
        "train work/ssl/simclr+supcon from work/ssl/simclr/backbone.pth",
        "train work/ssl/supcon",
    ]
    lines = {
        line.split("--work_dir ")[1].split()[0]: line
        for line in capfd.readouterr().out.splitlines()
        if "--work_dir work/ssl/" in line
    }
    adapted = [folder for folder, line in lines.items() if "adapt.type=full" in line]
    assert adapted == ["work/ssl/simclr+dino@full"]  # SimCLR from random weights trains as it is
    cold = [folder for folder, line in lines.items() if "model.head.temperature=0.3" in line]
    assert "work/ssl/simclr+dino@full" not in cold  # DINO's head has two, of other names
    assert len(cold) == 4
    assert all("optimizer.lr=0.07" in line for line in lines.values())
    passes = {arm.arm: arm.pretraining_passes for arm in results.arms}
    # One epoch of 2 images: 2 views of SimCLR and SupCon, 8 of DINO; all stages of an arm count.
    assert [passes[run.arm] for run in results.runs] == [0, 4, 4 + 16, 4, 4, 4 + 4]
    pipeline.run_study(several)
    assert calls(several.root) == []


@pytest.mark.usefixtures("no_drawing")
def test_a_pretraining_with_labels_is_marked_and_gets_no_part_of_them(
    several: StudySettings, capfd: pytest.CaptureFixture[str]
) -> None:
    (several.root / several.data_root / METADATA).write_text("image,lesion_id\n")
    several = dataclasses.replace(several, labels=(10.0,), draws=1)
    results = pipeline.run_study(several)
    knowing = {"supcon", "from-pre+supcon", "simclr+supcon"}
    assert {run.arm for run in results.runs if run.saw_labels} == knowing
    assert {record.arm for record in results.labels} == {"scratch", "simclr", "simclr+dino@full"}
    assert list(label_curves([(several.work_dir, results)])) == [
        "scratch",
        "simclr",
        "simclr+dino@full",
    ]
    tried = [call for call in calls(several.root) if "labels_10pct" in call]
    assert not [call for call in tried if "supcon" in call]
    for run in results.runs:
        marked = "pre-trained with all training labels" in run_label(run)
        assert marked == (run.arm in knowing)
        assert arm_titles(results.runs)(run.arm) == run_label(run)
    assert "Pre-trained with the labels of all training images: SupCon," in " ".join(
        capfd.readouterr().out.split()
    )
    again = read_results(several.work_dir / "results.json")
    assert again == results
    # Records of such an arm, as older versions wrote them, are no point of the curve either.
    more = [*results.labels, dataclasses.replace(results.labels[0], arm="supcon")]
    results = dataclasses.replace(results, labels=more)
    assert "supcon" not in label_curves([(several.work_dir, results)])


@pytest.mark.parametrize("texts", [("ssl+dino:full", "ssl"), ("ssl", "ssl+dino:full")])
def test_an_adaptation_is_that_of_its_own_arm(
    texts: tuple[str, ...], several: StudySettings
) -> None:
    study = dataclasses.replace(several, starts=read(*texts))
    resolved = ResolvedStudy(study, study.data_root)
    for path in (study.split("train"), study.split("subtrain")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a.jpg 0\n")
    adapts = {arm: arm_record(resolved, arm, 0.1).adapt for arm in study.arms}
    assert adapts == {"simclr": None, "simclr+dino@full": "full"}


def test_labels_of_test_images_are_never_read(several: StudySettings) -> None:
    with pytest.raises(UserError, match=r"--ssl-on all: .*SupCon reads labels.*test images"):
        pipeline.check(dataclasses.replace(several, ssl_on="all"))
    greedy = dataclasses.replace(several, starts=(), algorithms=(), min_gain=0.01)
    with pytest.raises(UserError, match=r"--curriculum greedy: .*SupCon reads labels"):
        pipeline.check(greedy)


def test_warnings_name_arms_as_tables_do() -> None:
    tried = make_search("from-start+simclr", (0.3, 0.2, 0.1))
    chosen = choose_lr(tried)
    text = "SimCLR from start weights: the chosen learning rate 0.01 is the smallest tried"
    assert at_the_edge(chosen) == text
    with pytest.raises(
        UserError, match=r"SimCLR from start weights: no learning rate of .* gave a result"
    ):
        choose_lr(make_search("from-start+simclr", (None, None, None)))
