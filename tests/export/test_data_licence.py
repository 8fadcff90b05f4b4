"""Which licence of the training images a model card may state."""

import json
from pathlib import Path

import pytest
from mmcv import Config

from mmselfsup.apis.export_facts import data_of
from mmselfsup.utils.study_data import WORDS

OWN = "work_dirs/study/data/splits/C_train_fold0.txt"


def licence(root: Path, *lists: str, given: str | None = None) -> str | None:
    """The licence of a checkpoint in a study's folder that was trained on some lists."""
    sources = [dict(data_source=dict(ann_file=one, data_prefix="images")) for one in lists]
    cfg = Config(dict(data=dict(train=dict(datasets=sources))))
    return data_of(cfg, str(root / "study" / "ssl" / "x" / "w.pth"), given)[1]


@pytest.fixture
def words(tmp_path: Path) -> Path:
    (tmp_path / "study").mkdir()
    return tmp_path / "study" / WORDS


def test_words_without_a_licence_fall_back_to_the_known_data_set(
    words: Path, tmp_path: Path
) -> None:
    words.write_text(json.dumps({"name": "ISIC-2019"}))
    assert licence(tmp_path, OWN) == "ISIC-2019: CC BY-NC 4.0"
    words.write_text(json.dumps({"name": "Clinic"}))
    assert licence(tmp_path, OWN) is None


def test_only_the_studys_own_lists_have_its_licence(words: Path, tmp_path: Path) -> None:
    words.write_text(json.dumps({"name": "Clinic", "licence": "CC BY 4.0", "lists": "C"}))
    stated = "Clinic: CC BY 4.0"
    assert licence(tmp_path, OWN) == stated
    assert licence(tmp_path, "my/lists/C_train_fold0.txt") == stated  # given as ready lists
    assert licence(tmp_path, "data/other/train.txt") is None
    assert licence(tmp_path, OWN, "data/other/train.txt") is None
    assert licence(tmp_path) is None
    assert licence(tmp_path, "lists/ISIC_2019_train_fold0.txt") == "ISIC-2019: CC BY-NC 4.0"


def test_a_damaged_description_above_is_unknown(words: Path, tmp_path: Path) -> None:
    words.write_text("{")
    assert licence(tmp_path, OWN) is None
    assert licence(tmp_path, OWN, given="ours") == "ours"
