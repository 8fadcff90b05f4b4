"""One small demo data set for all tests of this folder."""

from pathlib import Path

import pytest

from mmselfsup.isic.demo.dataset import DemoSettings, Photo, make_demo_data

SETTINGS = DemoSettings(num_images=400, size=48, seed=3)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Photo]]:
    """Its folder and its photographs; tests must not change the files."""
    root = tmp_path_factory.mktemp("demo") / "isic"
    return root, make_demo_data(root, SETTINGS, workers=1)
