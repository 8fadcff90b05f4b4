"""What a study keeps on the disk, and what it removes when it is done: ``--keep best|all``.

The trainings of the learning-rate search leave checkpoints that nothing reads: the final classifier
is trained anew on the whole fold. Their logs stay, and so does everything else.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from mmselfsup.utils.errors import UserError

BEST, ALL_FILES = "best", "all"
#: What may be kept: all but the checkpoints of the learning-rate search, or everything.
KEEP = (BEST, ALL_FILES)
#: With all labels, and with a part of them.
_SEARCHES = ("finetune/*/lr_*/*.pth", "finetune/*/labels_*/lr_*/*.pth")
_MEGABYTE = 1e6


def check_keep(keep: str) -> None:
    """Check the value of ``--keep``.

    Raises:
        UserError: It is unknown.
    """
    if keep not in KEEP:
        raise UserError(f"--keep {keep}: choose one of {', '.join(KEEP)}")


def what_stays(keep: str) -> str:
    """Return what stays on the disk, in words for the table that a study begins with."""
    if keep == ALL_FILES:
        return "all checkpoints (--keep all)"
    return (
        "all but the checkpoints of the learning-rate search, which are removed at the end (but "
        "for the chosen ones with --external; --keep all keeps all)"
    )


def tidy(work_dir: Path, keep: str, spared: Collection[Path] = ()) -> str:
    """Remove what the study doesn't keep; call it when all stages are done.

    Args:
        work_dir: Folder of the study.
        keep: A value of ``KEEP``.
        spared: Folders whose files stay.

    Returns:
        A line about what was removed; '' if nothing was.
    """
    if keep == ALL_FILES:
        return ""
    # The links (latest.pth) too, which would lead nowhere.
    every = [path for pattern in _SEARCHES for path in work_dir.glob(pattern)]
    found = sorted(path for path in every if path.parent not in spared)
    size = sum(path.stat().st_size for path in found if not path.is_symlink())
    for path in found:
        path.unlink(missing_ok=True)
    if not found:
        return ""
    return f"Removed: {size / _MEGABYTE:.1f} MB of checkpoints of the learning-rate search."
