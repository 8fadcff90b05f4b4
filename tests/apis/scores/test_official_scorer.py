"""Our metrics beside those of the challenge's scorer; a stand-in prints what that one prints."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from mmselfsup.apis.scores import official_scorer
from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import classification_metrics
from mmselfsup.utils.errors import UserError

REPORT = """\
Overall: 0.6666666666666666
Validation: 0.6666666666666666

Per-category metrics:
     accuracy  sensitivity  specificity      dice  ppv       npv       auc  auc_sens_80   ap
MEL      0.75          0.5          1.0  0.666667  1.0  0.666667  1.000000     1.000000  1.0
NV       1.00          1.0          1.0  1.000000  1.0  1.000000  1.000000     1.000000  1.0
BCC      0.75          0.0          1.0  0.000000  1.0  0.750000  0.833333     0.726667  0.5

Macro averaged metrics:
accuracy       0.833333
auc            0.944444

Aggregate metrics:
balanced_accuracy    0.666667
"""
CLASSES = ["MEL", "NV", "BCC"]


def scores(images: list[str] | None = None) -> ScoreFile:
    """Four images, of which the third is taken for another class; what the report above is of."""
    probs = [[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.5, 0.3], [0.4, 0.3, 0.3]]
    names = ["a.jpg", "b.jpg", "c.jpg", "d.jpg"] if images is None else images
    labels = np.array([0, 1, 2, 0])
    return ScoreFile("s.npz", np.array(probs), labels, CLASSES, names, None)


def scorer(folder: Path, code: str) -> None:
    """Write a program of the scorer's name."""
    folder.mkdir()
    path = folder / official_scorer.PROGRAM
    path.write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
    path.chmod(0o755)


def test_both_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = (
        "truth, predicted = (open(name).read().split() for name in sys.argv[2:])\n"
        "assert sys.argv[1] == 'classification'\n"
        "assert truth[0] == predicted[0] == 'image,MEL,NV,BCC'\n"
        "assert truth[3].startswith('c,0.000000000,0.000000000,1.000000000')\n"
        "assert predicted[1].startswith('a,0.7')\n"
        f"print({REPORT!r})"
    )
    scorer(tmp_path / "bin", check)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    found = official_scorer.official_scores(scores())
    assert list(found) == ["balanced_accuracy", "macro_auc", "auc/MEL", "auc/NV", "auc/BCC"]
    for own, official in found.values():
        assert own == pytest.approx(official, abs=1e-6)
    own = classification_metrics(scores().scores, [0, 1, 2, 0], CLASSES)
    assert found["macro_auc"][0] == own["macro_auc"]
    lines = official_scorer.comparison_lines(found)
    assert lines[1] == "balanced_accuracy           0.6667    0.6667"


def test_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(UserError, match="--official needs the program isic-challenge-scoring"):
        official_scorer.official_scores(scores())
    scorer(tmp_path / "bin", "sys.exit('bad header')")
    with pytest.raises(UserError, match="isic-challenge-scoring failed: bad header"):
        official_scorer.official_scores(scores())
