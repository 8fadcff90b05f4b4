"""Metadata by config lines: train.py from a pre-trained backbone, test.py, and what goes wrong."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tools.command import run_tool

OPTIONS = [
    "model.head.type=MetadataClsHead", "model.head.metadata_channels=[8]",
    "model.head.fusion_channels=16", "data.train.data_source.patients=meta.csv",
    "data.val.data_source.patients=meta.csv",
]  # fmt: skip
TTA = "model.test_cfg.augment=flip"


@pytest.fixture
def study(place: Path) -> Path:
    """The folder with a table of patients and weights of a pre-training."""
    rows = [
        f"{i},{10 * i},{['head/neck', ''][i % 2]},,{['male', 'female'][i % 2]}" for i in range(12)
    ]
    header = "image,age_approx,anatom_site_general,lesion_id,sex"
    (place / "meta.csv").write_text("\n".join([header, *rows]) + "\n")
    argv = ["simclr.py", "--work-dir", "ssl", "--cfg-options", "runner.max_epochs=1"]
    done = run_tool("train.py", *argv, folder=place)
    assert done.code == 0, done.text
    return place


def test_from_pretraining_to_scores(study: Path) -> None:
    options = [*OPTIONS, "load_from=ssl/latest.pth", "evaluation.interval=1"]
    argv = ["classifier.py", "--work-dir", "w", "--seed", "0", "--cfg-options", *options]
    done = run_tool("train.py", *argv, folder=study)
    assert done.code == 0, done.text
    assert "balanced_accuracy" in done.text
    state = torch.load(study / "w" / "latest.pth", weights_only=True)["state_dict"]
    assert state["head.metadata_net.0.weight"].shape == (8, 14)
    assert state["head.fusion.0.weight"].shape == (16, 64 + 8)
    scores = {}
    for name, more in (("plain", []), ("turned", [TTA])):
        argv = ["classifier.py", "w/latest.pth", "--out", f"{name}.npz", "--cfg-options"]
        done = run_tool("test.py", *argv, *OPTIONS, *more, folder=study)
        assert done.code == 0, done.text
        scores[name] = np.load(study / f"{name}.npz")["scores"]
    assert scores["plain"].shape == (12, 3)
    np.testing.assert_allclose(scores["turned"].sum(axis=1), 1, rtol=1e-5)

    blank = (study / "meta.csv").read_text().splitlines()
    (study / "blank.csv").write_text("\n".join([blank[0], *(f"{i},,,," for i in range(12))]))
    argv = ["classifier.py", "w/latest.pth", "--out", "blank.npz", "--cfg-options"]
    options = [*OPTIONS, "data.val.data_source.patients=blank.csv"]
    done = run_tool("test.py", *argv, *options, folder=study)
    assert done.code == 0, done.text
    assert not np.allclose(np.load(study / "blank.npz")["scores"], scores["plain"])


def test_a_stopped_training_resumes_bit_for_bit(study: Path) -> None:
    """What training hides is drawn as the checkpoint says."""
    for folder, more in (("a", []), ("b", ["resume_from=a/epoch_1.pth"])):
        argv = ["classifier.py", "--work-dir", folder, "--seed", "3", "--cfg-options", *OPTIONS]
        done = run_tool("train.py", *argv, *more, folder=study)
        assert done.code == 0, done.text
    states = [torch.load(study / f / "latest.pth", weights_only=True)["state_dict"] for f in "ab"]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    early = torch.load(study / "a" / "epoch_1.pth", weights_only=True)["state_dict"]
    assert not torch.equal(early["head.fusion.0.weight"], states[0]["head.fusion.0.weight"])


def test_mistakes_are_one_line(study: Path) -> None:
    rows = (study / "meta.csv").read_text()
    (study / "few.csv").write_text(rows.rpartition("11,")[0])
    (study / "odd.csv").write_text(rows.replace("male", "m", 1))
    for options, message in (
        (OPTIONS[:1], "MetadataClsHead needs age, site and sex: give the data_source"),
        (
            [*OPTIONS, "data.val.data_source.patients=few.csv"],
            "few.csv has no row for the image 11.jpg",
        ),
        ([*OPTIONS, "data.train.data_source.patients=odd.csv"], "odd.csv, line 2 (0): sex 'm'"),
        ([*OPTIONS, "data.train.data_source.patient=meta.csv"], "did you mean 'patients'"),
    ):
        argv = ["classifier.py", "--work-dir", "bad", "--cfg-options", *options]
        done = run_tool("train.py", *argv, folder=study)
        assert done.code == 2, done.text
        assert message in done.last_line
