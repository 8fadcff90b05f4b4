"""Each stage reads the lists that it should: nothing is fitted or chosen on test images."""

import dataclasses
import re

import pytest

from mmselfsup.study.resolved import ResolvedStudy
from mmselfsup.study.settings import StudySettings
from mmselfsup.study.stages.features import features_stage
from mmselfsup.study.stages.finetune import final_stage
from mmselfsup.study.stages.lr_search import search_stage
from mmselfsup.study.stages.prepare import splits_stage
from mmselfsup.study.stages.pretrain import pretrain_stage
from mmselfsup.study.stages.stage import Stage
from mmselfsup.study.stages.test import test_stage as stage_of_the_test

LIST = re.compile(r"ISIC_2019_([a-z]+)_fold\d+\.txt")


def lists_of(stage: Stage) -> dict[str, str]:
    """Return the list that each argument or config key of a command names."""
    found, flag = {}, ""
    for word in stage.argv:
        flag = word if word.startswith("--") else flag
        if match := LIST.search(word):
            key = word.partition("=")[0] if "=" in word else flag
            found[key] = match[1]
    return found


def test_the_folds_are_the_same_for_every_seed_and_version(study: StudySettings) -> None:
    for seed in (0, 7):
        stage = splits_stage(dataclasses.replace(study, seed=seed), study.data_root / "images")
        assert stage.argv[stage.argv.index("--seed") + 1] == "0"


@pytest.fixture
def resolved(study: StudySettings) -> ResolvedStudy:
    return ResolvedStudy(study, study.data_root / "images")


def test_trainings(resolved: ResolvedStudy) -> None:
    (task,) = resolved.pretrainings
    assert set(lists_of(pretrain_stage(resolved, task)).values()) == {"train"}
    searched = lists_of(search_stage(resolved, "scratch", 0.1))
    assert {key.split(".")[1]: part for key, part in searched.items()} == {
        "train": "subtrain",
        "val": "val",
    }
    assert set(lists_of(final_stage(resolved, "scratch", 0.1)).values()) == {"train"}


def test_measurements(resolved: ResolvedStudy) -> None:
    (task,) = resolved.pretrainings
    assert lists_of(features_stage(resolved, task)) == {"--train": "train", "--test": "test"}
    assert set(lists_of(stage_of_the_test(resolved, "scratch")).values()) == {"test"}


def test_learning_rates_that_are_tried(study: StudySettings, resolved: ResolvedStudy) -> None:
    assert resolved.lrs == study.lrs
    free = ResolvedStudy(dataclasses.replace(study, lrs=()), resolved.images)
    lr = free.finetune.optimizer.lr
    assert free.lrs == pytest.approx((0.3 * lr, lr, 3 * lr), rel=0.01)


def test_an_override_goes_to_the_classifier_that_has_its_key(
    study: StudySettings, resolved: ResolvedStudy
) -> None:
    configs = {**study.ssl_configs, "byol": study.ssl_configs["simclr"]}
    options = ("model.head.num_classes=5",)
    two = dataclasses.replace(study, ssl_configs=configs, options=options)
    assert ResolvedStudy(two, resolved.images).finetune_options == list(options)
