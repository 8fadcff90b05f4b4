"""Near-duplicates are found, and no fold parts them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mmselfsup.isic.duplicates import Duplicates, Pair, image_hashes, join_groups, near_pairs
from mmselfsup.isic.folds import assign_folds
from mmselfsup.isic.prepare import prepare_splits
from mmselfsup.utils.errors import UserError


def lesion(seed: int) -> Image.Image:
    """A dark blob on textured skin."""
    rng = np.random.default_rng(seed)
    texture = Image.fromarray(rng.integers(120, 256, (18, 24, 3), dtype=np.uint8))
    picture = np.asarray(texture.resize((160, 120), Image.Resampling.BICUBIC), dtype=float)
    y, x = np.mgrid[0:120, 0:160] / 120
    spot = np.exp(-((y - 0.5) ** 2 + (x - 0.67) ** 2) * 20)
    return Image.fromarray((picture - 100 * spot[..., None]).clip(0, 255).astype(np.uint8))


def recompressed(image: Image.Image) -> Image.Image:
    """Smaller, warmer, and through JPEG."""
    bands = zip(image.split(), (1, 0.95, 0.9), strict=True)
    warmer = Image.merge("RGB", [band.point(lambda v, k=k: v * k) for band, k in bands])
    buffer = io.BytesIO()
    warmer.resize((120, 90)).save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


def test_copies_are_near_and_others_far(tmp_path: Path) -> None:
    files = []
    for seed in range(6):
        for name, image in (("a", lesion(seed)), ("b", recompressed(lesion(seed)))):
            files.append(tmp_path / f"{seed}{name}.jpg")
            image.save(files[-1])
    hashes = image_hashes(files, workers=0)
    assert hashes.shape == (12, 256)
    assert [(p.first, p.second) for p in sorted(near_pairs(hashes))] == [
        (i, i + 1) for i in range(0, 12, 2)
    ]
    (tmp_path / "bad.jpg").write_bytes(files[0].read_bytes()[:400])
    with pytest.raises(UserError, match=r"bad\.jpg"):
        image_hashes([tmp_path / "bad.jpg"], workers=0)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.integers(0, 12))
def test_pairs_equal_a_slow_loop(seed: int, num: int, distance: int) -> None:
    hashes = np.random.default_rng(seed).random((num, 24)) < 0.5
    slow = [
        Pair(i, j, int((hashes[i] != hashes[j]).sum()))
        for i in range(num)
        for j in range(i + 1, num)
        if (hashes[i] != hashes[j]).sum() <= distance
    ]
    assert sorted(near_pairs(hashes, distance)) == slow


@settings(max_examples=50, deadline=None)
@given(st.data(), st.integers(10, 60), st.integers(2, 4))
def test_no_fold_parts_a_lesion_or_a_duplicate(data: st.DataObject, num: int, folds: int) -> None:
    groups = [f"lesion {data.draw(st.integers(0, num // 2))}" for _ in range(num)]
    numbers = st.integers(0, num - 1)
    drawn = data.draw(st.lists(st.tuples(numbers, numbers), max_size=num // 4))
    pairs = [Pair(a, b, 0) for a, b in drawn]
    joined = join_groups(groups, pairs)
    labels = [data.draw(st.integers(0, 2)) for _ in range(num)]
    if len(set(joined)) < folds:
        return
    fold = assign_folds(labels, joined, folds, seed=0)
    for a in range(num):
        for b in range(num):
            if groups[a] == groups[b] or Pair(a, b, 0) in pairs:
                assert fold[a] == fold[b]
                assert joined[a] == joined[b]
    assert len(set(joined)) >= len(set(groups)) - len(pairs)  # nothing else was joined


def test_split_with_duplicates(challenge: Path, save_images: Callable[..., None]) -> None:
    folder = challenge / "ISIC_2019_Training_Input"
    for i in range(80):
        lesion(i).save(folder / f"ISIC_{i:07d}.jpg")
    # Images 72 to 79 are lesions of their own: the first is a copy of image 8.
    recompressed(lesion(8)).save(folder / "ISIC_0000072.jpg")
    plain = prepare_splits(challenge, out=challenge / "plain")
    assert "duplicates" not in plain
    looked = prepare_splits(challenge, out=challenge / "looked", duplicates=Duplicates(workers=0))
    for before, after in zip(plain["folds"], looked["folds"], strict=True):
        assert before == after  # looking moves no image
    assert looked["duplicates"]["num_pairs"] == 1
    table = pd.read_csv(challenge / "looked" / "duplicates.csv")
    assert table.loc[0, ["image_1", "image_2"]].to_list() == ["ISIC_0000008", "ISIC_0000072"]
    grouped = prepare_splits(
        challenge, out=challenge / "grouped", duplicates=Duplicates(group=True, workers=0)
    )
    assert grouped["duplicates"]["num_across_folds"] == 0
    for fold in range(5):
        for part in ("test", "val"):
            text = (challenge / "grouped" / f"ISIC_2019_{part}_fold{fold}.txt").read_text()
            assert ("ISIC_0000008.jpg" in text) == ("ISIC_0000072.jpg" in text)
    assert not (challenge / "plain" / "duplicates.csv").exists()
    with pytest.raises(UserError, match="--duplicate-distance"):
        Duplicates(distance=200)
