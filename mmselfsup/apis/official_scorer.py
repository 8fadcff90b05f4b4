"""Our numbers beside those of the challenge's own scorer, ``isic-challenge-scoring``.

It is a program of its own (it needs an older pandas): ``pipx install isic-challenge-scoring``, or any
environment whose ``bin`` is in PATH.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import probabilities
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write_text, csv_text

from .scores import labels_of

PROGRAM = "isic-challenge-scoring"
_SECONDS = 600
#: The scorer's names of the metrics that we have, too.
_SAME = {"balanced_accuracy": "balanced_accuracy", "auc": "macro_auc"}
