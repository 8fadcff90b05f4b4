"""The files of the ISIC-2019 challenge: their names, columns and classes, search, checks, CSVs.

``find_csv`` and ``find_images`` find the files however the archives were unpacked,
``read_ground_truth`` and its neighbours read the CSVs and name the line that is wrong,
``check_download`` compares everything with the published files, and ``write_submission`` writes
the CSV that the challenge scores.

Source: ISIC 2019 challenge, https://challenge.isic-archive.com/landing/2019
"""

import csv
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mmselfsup.evaluation.scores import ScoreFile
from mmselfsup.metrics import probabilities, unknown_score
from mmselfsup.utils.errors import UserError, one_line
from mmselfsup.utils.files import atomic_write_text
from mmselfsup.utils.image_names import IMAGE_EXTENSIONS, image_stem
from mmselfsup.utils.patients import clean_lesion

GROUND_TRUTH = "ISIC_2019_Training_GroundTruth.csv"
METADATA = "ISIC_2019_Training_Metadata.csv"
IMAGES = "ISIC_2019_Training_Input"
TEST_GROUND_TRUTH = "ISIC_2019_Test_GroundTruth.csv"
TEST_METADATA = "ISIC_2019_Test_Metadata.csv"
TEST_IMAGES = "ISIC_2019_Test_Input"
#: Label ``i`` of every list and every score column is ``CLASSES[i]``.
CLASSES: tuple[str, ...] = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")
#: Column of "none of the others": it exists in the files, but no training image has it.
UNKNOWN = "UNK"
#: Full names of the classes.
CLASS_NAMES: dict[str, str] = {
    "MEL": "melanoma",
    "NV": "melanocytic nevus",
    "BCC": "basal cell carcinoma",
    "AK": "actinic keratosis",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular lesion",
    "SCC": "squamous cell carcinoma",
}
#: SHA-256 of the official files.
CHECKSUMS: dict[str, str] = {
    GROUND_TRUTH: "1aeb657e274f8bbeff05c1afcd4af3148fe44445723a95c48f1b4f44af05890f",
    METADATA: "39d5e27038cc9e15f9982875206f471e62e83a36873e237589cee5208f13f249",
    TEST_METADATA: "38921370cfdec6b5914f050d5f13a089936474a0da87be6f72a9267c66641b57",
}
COLUMNS = ("image", *CLASSES, UNKNOWN)
DIGITS = 9  # decimals; float32 has fewer near 1


def read_ground_truth(path: str | Path) -> pd.DataFrame:
    """Return the one-hot labels of a file, e.g. ``ISIC_2019_Training_GroundTruth.csv``.

    The columns ``image`` and the eight classes are needed; ``UNK`` and others are allowed.

    Returns:
        One row an image, in the order of the file: ``image`` (name without extension) and
        ``label`` (int, 0..7 in the order of ``CLASSES``, 8 for ``UNK``).

    Raises:
        UserError: No such file, no CSV, a missing column, no row, a row that isn't one-hot, a
            name that is missing or is listed twice.
    """
    table = _read_table(Path(path), ("image", *CLASSES))
    if UNKNOWN not in table:  # the column is optional
        table[UNKNOWN] = "0"
    columns = [*CLASSES, UNKNOWN]
    one_hot = table[columns].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=float)
    good = ((one_hot == 0) | (one_hot == 1)).all(axis=1) & (one_hot.sum(axis=1) == 1)
    if not good.all():
        row = table.loc[~good].iloc[0]
        cells = " ".join(f"{name}={row[name]}" for name in columns)
        raise UserError(
            f"{path}, line {table.index[~good][0]} ({row['image']}): exactly one class must be 1 "
            f"and the others 0, got {cells} ({int((~good).sum())} such rows in all)"
        )
    return pd.DataFrame({"image": table["image"].to_list(), "label": one_hot.argmax(axis=1)})


def read_lesion_ids(path: str | Path) -> dict[str, str]:
    """Return the lesion that each image shows, e.g. from ``ISIC_2019_Training_Metadata.csv``.

    Returns:
        Lesion id by image name (without extension); ``''`` where the file gives none.

    Raises:
        UserError: No such file, no CSV, no column ``image`` or ``lesion_id``, no row, a name that
            is missing or is listed twice.
    """
    table = _read_table(Path(path), ("image", "lesion_id"))
    lesions = [clean_lesion(name) for name in table["lesion_id"]]
    return dict(zip(table["image"], lesions, strict=True))


def read_image_names(path: str | Path) -> list[str]:
    """Return the images that a file lists: its column ``image``, without extensions.

    Raises:
        UserError: No such file, no CSV, no column ``image``, no row, a name that is missing or
            is listed twice.
    """
    return list(_read_table(Path(path), ("image",))["image"])


def _read_table(path: Path, needed: tuple[str, ...]) -> pd.DataFrame:
    """Return all cells as text, indexed by line number, with clean and unique image names."""
    header, rows = _read_rows(path)
    missing = [name for name in needed if name not in header]
    if missing:
        existing = ", ".join(header[:12]) or "none"
        raise UserError(f"{path} lacks the column(s) {', '.join(missing)}; it has: {existing}")
    twice = [name for name in (*needed, UNKNOWN) if header.count(name) > 1]
    if twice:
        raise UserError(
            f"{path}: {header.count(twice[0])} columns are called {twice[0]}: rename one"
        )
    if not rows:
        raise UserError(f"{path} has a header but no rows")
    for line, cells in rows.items():  # its cells may be in the wrong columns
        if len(cells) < len(header) or any(cells[len(header) :]):
            raise UserError(
                f"{path}, line {line}: {len(cells)} cells, the header has {len(header)}: "
                + (
                    "the line is cut off"
                    if len(cells) < len(header)
                    else "a cell that has a comma in it needs quotes"
                )
            )
    cut = [cells[: len(header)] for cells in rows.values()]  # empty cells at the end
    table = pd.DataFrame(cut, columns=header, index=list(rows), dtype=str)
    table = table.assign(image=[image_stem(name) for name in table["image"]])
    _check_names(path, table["image"])
    return table


def _read_rows(path: Path) -> tuple[list[str], dict[int, list[str]]]:
    """Return the header of a CSV file, and its rows that are not blank by their line."""
    try:
        # "-sig": Excel puts a byte order mark in front
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)  # a quote that is not closed is an error
            header = [name.strip() for name in next(reader, [])]
            rows = {}
            for cells in reader:
                if any(cells):
                    rows[reader.line_num] = cells
    except OSError as error:
        raise UserError(f"can't read {path}: {error.strerror or error}; check the path") from error
    except (ValueError, csv.Error) as error:  # broken UTF-8, a quote that is not closed
        raise UserError(f"{path} is no CSV file: {one_line(error)}") from error
    return header, rows


def _check_names(path: Path, names: "pd.Series[str]") -> None:
    """Check that every row has a name of its own."""
    if (names == "").any():
        raise UserError(f"{path}, line {names.index[names == ''][0]}: the image name is missing")
    if names.duplicated().any():
        name = names[names.duplicated()].iloc[0]
        lines = ", ".join(str(line) for line in names.index[names == name][:5])
        raise UserError(f"{path}: the image {name} is listed more than once (lines {lines})")


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
            if suffix.lower() not in IMAGE_EXTENSIONS or entry.name.startswith("."):
                continue
            # The smallest tuple is the preferred format, and the first name among equals.
            candidate = (IMAGE_EXTENSIONS.index(suffix.lower()), entry.name)
            best[stem] = min(best.get(stem, candidate), candidate)
    return {stem: name for stem, (_, name) in best.items()}


@dataclass(frozen=True)
class Download:
    """A checked download.

    Attributes:
        images: Folder of the training images.
        num_listed: Number of images in the ground truth.
        num_here: Number of these on disk.
        csv_files: The CSV files that were checked, and the ground truth of the test if it exists.
    """

    images: Path
    num_listed: int
    num_here: int
    csv_files: tuple[Path, ...] = ()


def check_download(root: Path, any_csv: bool = False, partial: bool = False) -> Download:
    """Check the CSV files by their SHA-256 and the images by their names.

    Args:
        root: Folder of the data set.
        any_csv: Whether to accept CSV files that are not the official ones.
        partial: Whether to accept fewer images than the ground truth lists.

    Raises:
        UserError: A file is missing or not the official one, or images are missing.
    """
    csv_files = []
    for name, digest in CHECKSUMS.items():
        if name == TEST_METADATA and not any(root.glob(f"**/{name}")):
            continue  # only a submission to the challenge needs it
        path = find_csv(root, name, "--root")
        csv_files.append(path)
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
    with suppress(UserError):  # few have it, and no checksum is known
        csv_files.append(find_csv(root, TEST_GROUND_TRUTH, "--root"))
    return Download(folder, len(names), len(names) - len(missing), tuple(csv_files))


def submission_table(scores: ScoreFile, unk_threshold: float | None = None) -> pd.DataFrame:
    """Return the rows of a submission: one for each image, in the order of the scores.

    Args:
        scores: Scores of eight classes in the order of ``CLASSES``, or of nine, ``UNK`` last.
        unk_threshold: With eight classes: an image whose highest probability is below this is
            ``UNK`` (see ``unknown_score``); None gives ``UNK`` the probability 0.

    Returns:
        A table with the columns ``COLUMNS``: the name without extension, scores 0..1. The known
        classes have the probabilities of the network, so that each stays on its side of 0.5, the
        challenge's threshold; with ``unk_threshold`` the nine add up to more than 1, which it
        allows.

    Raises:
        UserError: The images have no names or one twice, or the classes are others.
    """
    if scores.images is None:
        raise UserError(f"{scores.path} doesn't name its images: write it again with test.py")
    known = scores.scores.shape[1]
    if known not in (len(CLASSES), len(CLASSES) + 1):
        raise UserError(f"{scores.path} has {known} classes, a submission has 8, or 9 with UNK")
    if scores.classes is not None and scores.classes != list(COLUMNS[1 : known + 1]):
        raise UserError(
            f"{scores.path} has the classes {', '.join(scores.classes)}; a submission wants them "
            f"in the order {', '.join(COLUMNS[1:])}"
        )
    if unk_threshold is not None and known > len(CLASSES):
        raise UserError(f"{scores.path} has an output for UNK: leave --unk-threshold out")
    try:
        # A softmax of scores; averaged probabilities stay as they are.
        probs = probabilities(scores.scores)
        if unk_threshold is not None:
            probs = np.column_stack((probs, unknown_score(probs, unk_threshold)))
    except ValueError as error:
        raise UserError(f"--unk-threshold: {error}") from error
    table = pd.DataFrame(probs, columns=list(COLUMNS[1 : probs.shape[1] + 1]))
    table.insert(0, "image", [image_stem(name) for name in scores.images])
    if UNKNOWN not in table:
        table[UNKNOWN] = 0.0
    twice = table["image"][table["image"].duplicated()]
    if len(twice):
        raise UserError(f"{scores.path}: the image {twice.iloc[0]} is listed more than once")
    return table


def write_submission(table: pd.DataFrame, path: str) -> None:
    """Write the table as the challenge wants it, whole or not at all."""
    text: str = table.to_csv(index=False, float_format=f"%.{DIGITS}f", lineterminator="\n")
    atomic_write_text(path, text)
