"""List of the challenge's own test images."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmselfsup.utils.errors import UserError
from mmselfsup.utils.files import atomic_write_text

from .challenge_csv import read_ground_truth, read_image_names
from .labels import CLASSES, UNKNOWN
from .layout import TEST_GROUND_TRUTH, TEST_IMAGES, TEST_METADATA, find_csv, find_images

LIST = "ISIC_2019_challenge_test.txt"


@dataclass(frozen=True)
class TestList:
    """A list that is complete, but not written yet.

    Attributes:
        text: Lines of the list.
        facts: For ``splits.json``: name, size, sha256 of the list, ``num_not_on_disk``, and
            ``class_counts`` where there is a ground truth.
    """

    __test__ = False  # else pytest would collect the class as a test

    text: str
    facts: dict[str, Any]

    def write(self, out: Path) -> dict[str, Any]:
        """Write the list into the folder of the lists, whole or not at all; return the facts."""
        atomic_write_text(out / LIST, self.text)
        return self.facts


def read_test_list(
    root: Path,
    metadata: str | Path | None = None,
    ground_truth: str | Path | None = None,
    images: str | Path | None = None,
) -> TestList | None:
    """Return the list of the challenge's test images, if its files exist; write nothing.

    A line is ``NAME.jpg label`` with a ground truth (labels 0..8, 8 is UNK), else ``NAME.jpg``.
    Images that are not on disk are left out; without any folder of test images the list has all
    of them, for later.

    Args:
        root: Folder of the data set.
        metadata, ground_truth: CSV files; None searches for the official names below ``root``.
        images: Folder of the images; None searches for ``ISIC_2019_Test_Input`` below ``root``.

    Returns:
        The list; None where neither CSV file exists.

    Raises:
        UserError: A file that was named is missing or makes no sense, the ground truth has
            other images than the metadata, or the folder of test images is empty.
    """
    listed = _csv(root, metadata, TEST_METADATA, "--test-metadata")
    truth = _csv(root, ground_truth, TEST_GROUND_TRUTH, "--test-ground-truth")
    if listed is None and truth is None:
        return None
    # Sorted, so that the order of the files' rows has no effect.
    names = sorted(read_image_names(listed or truth or root))
    labels: dict[str, int] = {}
    if truth is not None:
        table = read_ground_truth(truth)
        labels = dict(zip(table["image"], table["label"], strict=True))
        other = sorted(set(names) ^ labels.keys())
        if listed is not None and other:
            raise UserError(
                f"{truth.name} and {listed.name} differ in {len(other)} images (e.g. {other[0]})"
            )
    files = _files(root, images)
    present = [name for name in names if files is None or name in files]
    lines = []
    for name in present:
        file = f"{name}.jpg" if files is None else files[name]
        lines.append(f"{file} {labels[name]}\n" if labels else f"{file}\n")
    text = "".join(lines)
    facts: dict[str, Any] = {"file": LIST, "num_images": len(present)}
    facts["num_not_on_disk"] = len(names) if files is None else len(names) - len(present)
    facts["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    if labels:
        counted = [labels[name] for name in present]
        facts["class_counts"] = {n: counted.count(i) for i, n in enumerate((*CLASSES, UNKNOWN))}
    return TestList(text, facts)


def _csv(root: Path, given: str | Path | None, name: str, option: str) -> Path | None:
    """Return the file that the user names, else the official one, else None."""
    if given is not None:
        return Path(given)
    try:
        return find_csv(root, name, option)
    except UserError:
        return None


def _files(root: Path, given: str | Path | None) -> dict[str, str] | None:
    """Return the files of the test images by name; None without their folder."""
    if given is not None:
        return find_images(root, Path(given), TEST_IMAGES, "--test-images")[1]
    folders = [root / TEST_IMAGES, *sorted(root.glob(f"*/{TEST_IMAGES}"))]
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        return None
    return find_images(root, folder, TEST_IMAGES, "--test-images")[1]
