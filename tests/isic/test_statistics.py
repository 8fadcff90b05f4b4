"""Mean and deviation against numpy."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import functional as F

from mmselfsup.datasets.statistics import find_files, pixel_statistics, summarise
from mmselfsup.utils.errors import UserError

TOOL = Path(__file__).parents[2] / "tools/analysis_tools/compute_mean_std.py"
Save = Callable[[Path, Sequence[str]], None]


@pytest.fixture
def images(tmp_path: Path, noise: Any) -> list[Path]:
    """Three images of different sizes, one of them grey."""
    paths = [tmp_path / name for name in ("a.png", "b c.png", "sub/d.png")]
    (tmp_path / "sub").mkdir()
    Image.fromarray(noise(9, 7, seed=1)).save(paths[0])
    Image.fromarray(noise(4, 5, seed=2, high=60)).save(paths[1])
    Image.fromarray(noise(30, 20, seed=3)[..., 0]).save(paths[2])
    return paths


@pytest.mark.parametrize("workers", [0, 2])
def test_equals_numpy_on_all_pixels(images: list[Path], workers: int) -> None:
    result = pixel_statistics(images, workers=workers)
    pixels = np.concatenate(
        [np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3) for path in images]
    )
    np.testing.assert_allclose(result.mean, (pixels / 255).mean(0), rtol=1e-14)
    np.testing.assert_allclose(result.std, (pixels / 255).std(0), rtol=1e-13)
    assert (result.num_images, result.num_pixels) == (3, len(pixels))


@pytest.mark.parametrize("size", [[8], [8, 6]])
def test_size_resizes_as_the_pipelines_do(images: list[Path], size: list[int]) -> None:
    wanted = size[0] if len(size) == 1 else size
    pixels = []
    for path in images:
        resized = F.resize(Image.open(path).convert("RGB"), wanted)
        pixels.append(F.to_tensor(resized).double().flatten(1))
    flat = torch.cat(pixels, dim=1)
    result = pixel_statistics(images, size, workers=1)
    np.testing.assert_allclose(result.mean, flat.mean(1), atol=1e-7)
    np.testing.assert_allclose(result.std, flat.std(1, correction=0), atol=1e-7)


def test_files_of_12_bits_need_their_range(tmp_path: Path, noise: Any) -> None:
    pixels = noise(8, 8, seed=4)[..., 0]
    Image.fromarray(pixels).save(tmp_path / "8.png")
    Image.fromarray(pixels.astype(np.uint16) * 16).save(tmp_path / "12.png")
    with pytest.raises(UserError, match=r"12\.png: of its 16 bits only 12 or fewer are in use"):
        pixel_statistics([tmp_path / "12.png"], workers=1)
    expected = pixel_statistics([tmp_path / "8.png"], workers=1)
    assert pixel_statistics([tmp_path / "12.png"], None, 1, [0, 4080]) == expected
    call = [sys.executable, TOOL, tmp_path, "--value-range", "0", "4080", "--workers", "1"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == expected.config_line()


def test_a_constant_image_has_no_deviation_however_large() -> None:
    histogram = np.zeros((3, 256), dtype=np.int64)
    histogram[:, 254] = 10**14
    result = summarise(histogram, 1)
    assert result.mean == (254 / 255,) * 3
    assert result.std == (0.0, 0.0, 0.0)


def test_config_line_is_python(images: list[Path]) -> None:
    values: dict[str, Any] = {}
    exec(pixel_statistics(images, workers=1).config_line(), values)
    assert set(values["img_norm_cfg"]) == {"mean", "std"}
    assert all(0 < value < 1 for v in values["img_norm_cfg"].values() for value in v)


def test_folders_and_lists_are_read_as_image_list_reads_them(
    images: list[Path], tmp_path: Path
) -> None:
    assert find_files(str(tmp_path)) == images
    for text in ("a.png 0\nsub/d.png 1\n", "a.png\nsub/d.png\n"):
        (tmp_path / "list.txt").write_text(text)
        found = find_files(str(tmp_path), str(tmp_path / "list.txt"))
        assert found == [images[0], images[2]]


@pytest.mark.parametrize("size", [[], [0], [8, 8, 8], [-1, 4]])
def test_sizes_are_checked(images: list[Path], size: list[int]) -> None:
    with pytest.raises(UserError, match="one or two numbers of pixels"):
        pixel_statistics(images, size, workers=1)


def test_what_is_missing_is_named(images: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no images to measure"):
        pixel_statistics([])
    with pytest.raises(UserError, match="give a folder or --ann-file"):
        find_files()
    with pytest.raises(UserError, match="absent"):
        find_files(str(tmp_path / "absent"))
    images[1].unlink()
    with pytest.raises(UserError, match=r"can't read the image .*b c.png: No such file"):
        pixel_statistics(images, workers=2)


def test_command_line(images: list[Path], tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a.png 0\nb c.png 4\n")
    options = ["--ann-file", tmp_path / "list.txt", "--size", "8", "6", "--workers", "1"]
    call = [sys.executable, TOOL, "--data-prefix", tmp_path, *options]
    result = subprocess.run(call, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("# 2 images, 96 pixels\nimg_norm_cfg = dict(mean=[")
