"""Search for the challenge's files below a folder, however the archives were unpacked."""

import os
from pathlib import Path

from mmselfsup.utils.errors import UserError

GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"
TEST_GROUND_TRUTH = "ISIC_2019_Test_GroundTruth.csv"
TEST_METADATA = "ISIC_2019_Test_Metadata.csv"
TEST_IMAGES = "ISIC_2019_Test_Input"

#: Extensions of images, in order of preference; the challenge's are ``.jpg``.
IMAGE_SUFFIXES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def find_csv(root: Path, name: str, option: str) -> Path:
    """Return the file ``name`` in ``root`` or in one of its folders, two levels deep.

    Args:
        root: Folder of the data set.
        name: Official file name.
        option: Command-line option that gives the path instead, for the message.

    Raises:
        UserError: There is no such file.
    """
    if not root.is_dir():
        raise UserError(f"there is no folder {root}; --root is where the ISIC-2019 files lie")
    for pattern in (name, f"*/{name}", f"*/*/{name}"):
        matches = sorted(p for p in root.glob(pattern) if p.is_file())
        if matches:
            return matches[0]
    raise UserError(
        f"{name} is not below {root}; download it from "
        f"https://challenge.isic-archive.com/data/#2019 or name the file with {option}"
    )


def find_images(
    root: Path, given: Path | None = None, name: str = IMAGES, option: str = "--images"
) -> tuple[Path, dict[str, str]]:
    """Return the folder that holds the images, and its files by image name without extension.

    The images are searched in ``given``, or else in ``ISIC_2019_Training_Input`` and ``images`` in
    ``root`` and one level below. Unpacking the official archive into a folder of its own name puts
    the images one folder deeper; these are found, too.

    Args:
        root: Folder of the data set.
        given: The folder, if the user names it.
        name: Name of the archive, without ``.zip``, for the message.
        option: Command-line option that names the folder, for the message.

    Raises:
        UserError: No folder has images; the message says so if only the archive exists.
    """
    if given is not None:
        if not given.is_dir():
            raise UserError(f"there is no folder {given}; {option} is where the images lie")
        places = [given]
    else:
        patterns = (IMAGES, f"*/{IMAGES}", "images", "*/images")
        places = [p for pattern in patterns for p in sorted(root.glob(pattern)) if p.is_dir()]
    # The first place with images wins: an empty folder of the right name hides nothing.
    for place in places:
        inner = (place / place.name, place / IMAGES, place / "images")
        for folder in (place, *inner):
            files = image_files(folder) if folder.is_dir() else {}
            if files:
                return folder, files
    archive = next(iter(sorted(root.glob(f"**/{name}.zip"))), None)
    hint = f"unpack {archive}" if archive else f"name the folder with {option}"
    searched = given or f"{root}/{IMAGES} and {root}/images"
    raise UserError(f"no images in {searched}; {hint}")


def image_files(folder: Path) -> dict[str, str]:
    """Return file names by stem of the images directly in ``folder``; ``.jpg`` is preferred."""
    best: dict[str, tuple[int, str]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix.lower() not in IMAGE_SUFFIXES or entry.name.startswith("."):
                continue
            # The smallest tuple is the preferred format, and the first name among equals.
            candidate = (IMAGE_SUFFIXES.index(suffix.lower()), entry.name)
            best[stem] = min(best.get(stem, candidate), candidate)
    return {stem: name for stem, (_, name) in best.items()}
