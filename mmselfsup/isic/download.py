"""Check that the download of ISIC-2019 is complete and unchanged."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from mmselfsup.utils.errors import UserError

from .challenge_csv import read_image_names
from .layout import GROUND_TRUTH, METADATA, TEST_METADATA, find_csv, find_images

#: SHA-256 of the official files.
CHECKSUMS: dict[str, str] = {
    GROUND_TRUTH: "1aeb657e274f8bbeff05c1afcd4af3148fe44445723a95c48f1b4f44af05890f",
    METADATA: "39d5e27038cc9e15f9982875206f471e62e83a36873e237589cee5208f13f249",
    TEST_METADATA: "38921370cfdec6b5914f050d5f13a089936474a0da87be6f72a9267c66641b57",
}


@dataclass(frozen=True)
class Download:
    """A checked download.

    Attributes:
        images: Folder of the training images.
        num_listed: Number of images in the ground truth.
        num_here: Number of these on disk.
    """

    images: Path
    num_listed: int
    num_here: int


def check_download(root: Path, any_csv: bool = False, partial: bool = False) -> Download:
    """Check the CSV files by their SHA-256 and the images by their names.

    Args:
        root: Folder of the data set.
        any_csv: Whether to accept CSV files that are not the official ones.
        partial: Whether to accept fewer images than the ground truth lists.

    Raises:
        UserError: A file is missing or not the official one, or images are missing.
    """
    for name, digest in CHECKSUMS.items():
        if name == TEST_METADATA and not any(root.glob(f"**/{name}")):
            continue  # only a submission to the challenge needs it
        path = find_csv(root, name, "--root")
        actual = hashlib.sha256(path.read_bytes()).hexdigest()
        if actual != digest and not any_csv:
            raise UserError(
                f"{path} is not the official file (sha256 {actual[:12]}..., published "
                f"{digest[:12]}...): download it again, or allow it with --any-csv"
            )
    names = read_image_names(find_csv(root, GROUND_TRUTH, "--root"))
    folder, files = find_images(root)
    missing = [name for name in names if name not in files]
    if missing and not partial:
        raise UserError(
            f"{len(missing)} of {len(names)} images are not in {folder} (e.g. {missing[0]}): "
            "unpack the archive again, or allow it with --partial"
        )
    return Download(folder, len(names), len(names) - len(missing))
