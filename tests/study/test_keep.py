"""What a study removes when it is done."""

from pathlib import Path

import pytest

from mmselfsup.study.keep import KEEP, check_keep, tidy, what_stays
from mmselfsup.utils.errors import UserError


def make_files(root: Path) -> dict[str, list[str]]:
    """Write a study's checkpoints and logs; return what must stay and what may go."""
    stays = [
        "ssl/simclr/latest.pth", "ssl/simclr/backbone.pth", "finetune/scratch/final/epoch_3.pth",
        "finetune/scratch/lr_0.1/a.log.json", "finetune/scratch/lr_0.1/step.json",
        "finetune/scratch/labels_10pct/draw_1/epoch_6.pth",
    ]  # fmt: skip
    goes = [
        "finetune/scratch/lr_0.1/epoch_3.pth", "finetune/a+b/lr_0.01/epoch_3.pth",
        "finetune/a+b/labels_10pct/lr_0.01/epoch_6.pth",
    ]  # fmt: skip
    for name in (*stays, *goes):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x" * 1_000_000)
    link = root / "finetune/scratch/lr_0.1/latest.pth"
    link.symlink_to("epoch_3.pth")
    return {"stays": stays, "goes": [*goes, "finetune/scratch/lr_0.1/latest.pth"]}


def test_the_checkpoints_of_the_search_go(tmp_path: Path) -> None:
    files = make_files(tmp_path)
    assert tidy(tmp_path, "all") == ""
    assert all((tmp_path / name).exists() for names in files.values() for name in names)
    line = tidy(tmp_path, "best")
    assert line == "Removed: 3.0 MB of checkpoints of the learning-rate search."
    assert all((tmp_path / name).exists() for name in files["stays"])
    assert not any((tmp_path / name).is_symlink() for name in files["goes"])
    assert not any((tmp_path / name).exists() for name in files["goes"])
    assert tidy(tmp_path, "best") == ""


def test_it_is_said_before() -> None:
    assert all(what_stays(keep).startswith("all ") for keep in KEEP)
    with pytest.raises(UserError, match="--keep some: choose one of best, all"):
        check_keep("some")
