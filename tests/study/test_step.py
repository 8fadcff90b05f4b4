"""A step is skipped when done, resumed when interrupted, restarted when settings change."""

from pathlib import Path

import pytest

from mmselfsup.study.step import Step
from mmselfsup.utils.errors import UserError


def make(folder: Path, **settings: object) -> Step:
    return Step("training", folder, settings, ("latest.pth",))


def do(step: Step, seconds: float = 2.0) -> str:
    line = step.begin()
    (step.folder / "latest.pth").write_text(str(step.settings))
    step.finish(seconds)
    return line


def test_done_step_is_done_until_its_settings_change(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1, seed=0)
    assert not step.is_done()
    assert do(step) == "training: starts"
    assert step.is_done()
    assert make(tmp_path / "run", seed=0, lr=0.1).is_done()
    assert not make(tmp_path / "run", lr=0.2, seed=0).is_done()
    assert not make(tmp_path / "run", lr=0.1).is_done()


def test_a_setting_of_none_is_not_one_that_is_not_given(tmp_path: Path) -> None:
    do(make(tmp_path / "run"))
    assert make(tmp_path / "run").is_done()
    assert not make(tmp_path / "run", fp16=None).is_done()
    assert "restarts (fp16 not given -> None)" in do(make(tmp_path / "run", fp16=None))
    assert make(tmp_path / "run", fp16=None).is_done()


def test_missing_output_makes_it_undone(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1)
    do(step)
    (tmp_path / "run" / "latest.pth").unlink()
    assert not step.is_done()


def test_changed_settings_keep_the_old_results_aside(tmp_path: Path) -> None:
    do(make(tmp_path / "run", lr=0.1))
    line = do(make(tmp_path / "run", lr=0.2))
    assert "lr 0.1 -> 0.2" in line
    assert str(tmp_path / "run.old-1") in line
    assert (tmp_path / "run.old-1" / "latest.pth").read_text() == "{'lr': 0.1}"
    do(make(tmp_path / "run", lr=0.3))
    assert (tmp_path / "run.old-2" / "latest.pth").read_text() == "{'lr': 0.2}"


def test_broken_step_resumes_and_adds_up_its_time(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1)
    step.begin()
    (tmp_path / "run" / "epoch_1.pth").touch()
    step.add_time(3.0)
    assert not step.is_done()
    assert do(step) == "training: resumes where it stopped"
    assert (tmp_path / "run" / "epoch_1.pth").exists()
    assert step.seconds() == 5.0


def test_a_kill_while_the_record_is_written_leaves_a_new_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "..step.json.ab12cd34").touch()
    assert do(make(tmp_path / "run", lr=0.1)) == "training: starts"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        ".step.json",
        "latest.pth",
    ]


def test_folder_without_a_stamp_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "latest.pth").write_text("foreign")
    step = make(tmp_path / "run", lr=0.1)
    assert not step.is_done()
    assert "no record of its settings" in step.begin()
    assert (tmp_path / "run.old-1" / "latest.pth").read_text() == "foreign"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"state": "done"}'])
def test_broken_stamp_counts_as_none(tmp_path: Path, content: str) -> None:
    step = make(tmp_path / "run", lr=0.1)
    do(step)
    (tmp_path / "run" / ".step.json").write_text(content)
    assert not step.is_done()


def test_finishing_without_the_output_is_an_error(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1)
    step.begin()
    with pytest.raises(UserError, match=r"lacks latest\.pth"):
        step.finish(1.0)
    assert not step.is_done()


def test_long_values_are_named_only(tmp_path: Path) -> None:
    do(make(tmp_path / "run", options=["a=1"] * 20))
    assert "options changed" in make(tmp_path / "run", options=["a=2"] * 20).begin()


def test_another_outcome_needs_no_output(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1)
    step.begin()
    step.finish(1.0, "diverged")
    assert step.is_done()
    assert step.outcome() == "diverged"
    assert not make(tmp_path / "run", lr=0.2).is_done()


def test_infinity_in_the_settings_is_no_change(tmp_path: Path) -> None:
    do(make(tmp_path / "run", limit=float("inf")))
    assert make(tmp_path / "run", limit=float("inf")).is_done()


def test_leftovers_in_sub_folders_go(tmp_path: Path) -> None:
    step = make(tmp_path / "run", lr=0.1)
    step.begin()
    pictures = tmp_path / "run" / "pictures"
    pictures.mkdir()
    (pictures / ".5_heat.webp.ab12_x9z").touch()
    (pictures / "5_heat.webp").touch()
    make(tmp_path / "run", lr=0.1).begin()
    assert [path.name for path in pictures.iterdir()] == ["5_heat.webp"]
