"""The checkpoint to resume from, also when bits have rotted."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from mmselfsup.apis.training.resume import latest_checkpoint
from mmselfsup.core.checkpoint import link_latest, load_state, newest_checkpoint, save_checkpoint
from mmselfsup.utils.errors import UserError

Make = Callable[..., nn.Module]


def flip_a_weight(path: Path) -> None:
    """Change one bit of the weights, which torch reads without a word."""
    weight = torch.load(path, weights_only=True)["state_dict"]["backbone.conv1.weight"]
    data = bytearray(path.read_bytes())
    place = data.index(weight.numpy().tobytes()[:64])
    data[place + 10] ^= 1
    path.write_bytes(data)
    torch.load(path, weights_only=True)


@pytest.fixture
def run(tmp_path: Path, make_classifier: Make) -> Path:
    """A work dir with checkpoints of the epochs 1 to 3, and of an iteration between 1 and 2."""
    model = make_classifier()
    for name, iterations in (("epoch_1", 10), ("iter_15", 15), ("epoch_2", 20), ("epoch_3", 30)):
        save_checkpoint(model, str(tmp_path / f"{name}.pth"), meta=dict(iter=iterations))
    link_latest(str(tmp_path / "epoch_3.pth"))
    return tmp_path


def test_latest_is_the_newest(run: Path) -> None:
    assert newest_checkpoint(run) == (str(run / "latest.pth"), [])
    (run / "latest.pth").unlink()
    assert newest_checkpoint(run) == (str(run / "epoch_3.pth"), [])
    for name in ("epoch_2.pth", "epoch_3.pth"):
        (run / name).unlink()
    assert newest_checkpoint(run) == (str(run / "iter_15.pth"), [])  # 15 iterations, not 15 > 1


def test_none_in_a_new_folder(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) == (None, [])


def test_a_flipped_bit_is_found(run: Path) -> None:
    flip_a_weight(run / "epoch_3.pth")
    with pytest.raises(
        UserError, match=r"epoch_3\.pth is damaged: the checksum of its part .*data"
    ):
        load_state(str(run / "epoch_3.pth"))


@pytest.mark.parametrize("how", ["flip", "cut", "empty"])
def test_a_damaged_file_is_passed_over(
    how: str, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / "epoch_3.pth"
    if how == "flip":
        flip_a_weight(path)
    else:
        path.write_bytes(path.read_bytes()[:1000] if how == "cut" else b"")
    flip_a_weight(run / "epoch_2.pth")
    assert latest_checkpoint(str(run)) == str(run / "iter_15.pth")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.endswith(f"; resuming from {run / 'iter_15.pth'} instead") for line in lines)
    assert lines[0].startswith(f"warning: {run / 'latest.pth'} is ")


def test_nothing_whole_is_an_error_not_a_new_start(run: Path) -> None:
    for path in run.glob("*_*.pth"):
        path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"no checkpoint in .* can be read .*latest\.pth"):
        newest_checkpoint(run)


def test_a_stopped_training_copied_without_its_link(run: Path, make_classifier: Make) -> None:
    save_checkpoint(make_classifier(), str(run / "stopped.pth"), meta=dict(iter=33))
    (run / "latest.pth").unlink()  # as rsync and some clouds leave links out
    assert newest_checkpoint(run) == (str(run / "stopped.pth"), [])
    save_checkpoint(make_classifier(), str(run / "epoch_4.pth"), meta=dict(iter="40"))
    assert newest_checkpoint(run) == (str(run / "stopped.pth"), [])
