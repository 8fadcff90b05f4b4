"""The path of test_knn.py in MMSelfSup 0.x."""

import runpy
from pathlib import Path

runpy.run_path(str(Path(__file__).resolve().parents[1] / "test_knn.py"), run_name=__name__)
