"""The same as train_svm_low_shot.py, with one thread for each core."""

import runpy
import sys
from pathlib import Path

sys.argv[1:1] = ["--workers", "-1"]
runpy.run_path(str(Path(__file__).with_name("train_svm_low_shot.py")), run_name=__name__)
