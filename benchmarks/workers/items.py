"""Items of a data set in one process; for MMSelfSup 0.x and for ours."""

import itertools

import cv2
import torch
from serve import serve, settings

import mmselfsup
from mmselfsup.datasets import build_dataset

torch.set_num_threads(1)
cv2.setNumThreads(0)
wanted = settings()
dataset = build_dataset(wanted["dataset"])
order = itertools.cycle(range(len(dataset)))


def work() -> None:
    """Load the next items."""
    for _ in range(wanted["items"]):
        dataset[next(order)]


for _ in range(2):
    work()
serve(work, {"mmselfsup": mmselfsup.__version__, "torch": torch.__version__})
