"""A repository whose tools write at once what the real ones write after hours."""

from pathlib import Path

#: Weights differ each time, as the real ones do, which hold the time.
TRAIN = """
import json, os, pathlib, sys, time
work_dir = pathlib.Path(sys.argv[sys.argv.index("--work_dir") + 1])
options = dict(o.split("=", 1) for o in sys.argv[sys.argv.index("--cfg-options") + 1:])
with open("calls.txt", "a") as calls:
    start = options.get("load_from") if "ssl" in work_dir.parts else None
    print("train", work_dir, *(["from", start] if start else []), file=calls)
lr = float(options.get("optimizer.lr", 1))
if os.environ.get("FAIL_AT") == str(lr):
    print("RuntimeError: out of luck")
    sys.exit(1)
loss = float("nan") if lr > 0.5 and "optimizer.lr" in options else 1.0
if work_dir.name == os.environ.get("DIVERGES"):
    loss = float("nan")
epoch = int(options.get("runner.max_epochs", 1))
lines = [{"mode": "train", "epoch": epoch, "iter": 5, "loss": loss}]
if "evaluation" not in options:
    score = 0.8 - abs(lr - 0.1) + (0.1 if "load_from" in options else 0)
    lines.append({"mode": "val", "epoch": epoch, "iter": 5, "balanced_accuracy": score})
(work_dir / "1.log.json").write_text("".join(json.dumps(line) + "\\n" for line in lines))
if loss != loss:
    print("error: the loss is not finite at iteration 5")
    sys.exit(2)
(work_dir / "latest.pth").write_text(f"weights {time.time_ns()}")
(work_dir / "backbone.pth").write_text(f"weights {time.time_ns()}")
"""

TEST = """
import pathlib, sys
import numpy as np
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("test", out.parent, file=calls)
labels = np.arange(40) % 8
scores = np.random.default_rng(0).normal(size=(40, 8))
scores[np.arange(40), labels] += 0.5 if "scratch" in str(out) else 3
images = [f"{number}.jpg" for number in range(40)]
if out.parent.name.startswith("external_"):
    images, labels = images[::-1], -np.ones(40, int)  # in any order, without labels
    scores = scores[::-1]
np.savez(out, scores=scores, labels=labels, images=images)
"""

#: A set of the images of the fake test: MEL and NV, which are every fourth one, and BCC or AK.
EXTERNAL = """
import csv, json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("external", out, file=calls)
of = {0: "mel", 1: "nv", 2: "other", 3: "other"}
rows = [(f"{n}.jpg", of[n % 8]) for n in range(40) if n % 8 in of]
(out / "images.txt").write_text("".join(f"{name}\\n" for name, _ in rows))
for name in ("groups.csv", "duplicates.csv"):
    (out / name).write_text("image\\n")
with open(out / "images.csv", "w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["image", "label", "class", "group", "sex"])
    for n, (name, label) in enumerate(rows):
        writer.writerow([name, label, label, f"p{n // 2}", "male" if n % 3 else "female"])
classes = ["mel", "nv", "other"]
(out / "external.json").write_text(json.dumps({
    "name": "clinic", "images": "isic/images", "listed": 30, "not_on_disk": 1,
    "near_duplicates": 2, "left_out": {"wart": 7}, "classes": classes, "counts": [5, 5, 10],
    "members": [["MEL"], ["NV"], ["BCC", "AK"]], "absent": ["BKL", "DF", "VASC", "SCC"],
    "model_classes": ["MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC"],
    "group": ["patient", "patients"], "groups": 10, "subgroups": ["sex"], "value_range": [],
}))
"""

COMPARISON = """
import pathlib, sys
import numpy as np
from mmselfsup.evaluation.feature_comparison_files import (
    Embedding, FeatureComparison, KnnScores, write_comparison
)
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("look", out, file=calls)
votes = {"before": KnnScores(0.2, None), "after": KnnScores(0.4, None)}
places = np.zeros((2, 2), dtype=np.float32)
points = Embedding(np.array(["a", "b"]), np.arange(2), np.array([], dtype=str), places, places)
write_comparison(out, FeatureComparison(["MEL", "NV"], 2, 2, 2, 0, 20, votes, None, []), points)
"""

#: Scores by what the name of the sequence's folder is.
PROBE = """
import json, os, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("probe", out.parent, file=calls)
scores = json.loads(os.environ["SCORES"])
value = scores.get(out.parent.name, 0.1)
row = {"balanced_accuracy": value, "recall_MEL": value, "recall_NV": value}
out.write_text(json.dumps({"results": {"linear probe, C=0.01": row}}))
"""

EXPLAIN = """
import pathlib, sys
from mmselfsup.evaluation.explanation_files import *
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("explain", out, file=calls)
views = {view: ViewScore(*[0.5] * 6) for view in VIEWS}
blackout = OcclusionScores(views, 0.125, 0.125, 40, 0, 0.2, False)
(out / SHEET).touch()
write_explanation(out, Explanation(["MEL", "NV"], 0, blackout, [], [2, 2], ""))
"""

SPLITS = """
import json, pathlib, sys
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1])
with open("calls.txt", "a") as calls:
    print("splits", out, file=calls)
for part in ("train", "test", "subtrain", "val"):
    for fold in range(5):
        (out / f"ISIC_2019_{part}_fold{fold}.txt").write_text("ISIC_1.jpg 0\\nISIC_2.jpg 1\\n")
(out / "splits.json").write_text(json.dumps({"classes": ["MEL", "NV"]}))
"""


SUBSETS = """
import pathlib, sys
options = {a: sys.argv[sys.argv.index(a) + 1] for a in ("--list", "--seed", "--out")}
out, whole = pathlib.Path(options["--out"]), pathlib.Path(options["--list"])
with open("calls.txt", "a") as calls:
    print("subsets", out, file=calls)
first = sys.argv.index("--percent") + 1
for percent in sys.argv[first : sys.argv.index("--seed")]:
    number = 1 + int(options["--seed"]) % 2
    (out / f"{whole.stem}_{percent}pct.txt").write_text(f"ISIC_{number}.jpg 0\\n")
"""


def make_fake_repository(root: Path) -> Path:
    """Write the tools and one image; return the folder of images."""
    for name, text in (
        ("train.py", TRAIN),
        ("test.py", TEST),
        ("isic2019/prepare_splits.py", SPLITS),
        ("isic2019/look_at_features.py", COMPARISON),
        ("benchmarks/classification/test_linear.py", PROBE),
        ("isic2019/explain.py", EXPLAIN),
        ("isic2019/make_label_subsets.py", SUBSETS),
        ("prepare_external.py", EXTERNAL),
    ):
        path = root / "tools" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "isic" / "images").mkdir(parents=True)
    for number in (1, 2):
        (root / "isic" / "images" / f"ISIC_{number}.jpg").touch()
    return root / "isic"


def calls(root: Path) -> list[str]:
    """Give the tools called since the last time, sorted."""
    path = root / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(lines)
