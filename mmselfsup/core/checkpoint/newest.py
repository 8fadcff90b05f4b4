"""The newest checkpoint of a work dir that can be read."""

from pathlib import Path

from mmselfsup.utils.errors import UserError, one_line

from .load import load_state, meta_of

_LATEST = "latest.pth"
#: The checkpoint of a training that was asked to stop, until there is a regular one again.
STOPPED_FILE = "stopped.pth"


def newest_checkpoint(folder: str | Path) -> tuple[str | None, list[str]]:
    """Return the checkpoint to resume from: ``latest.pth``, or the newest one before it.

    A damaged file is passed over, and a link may be missing in a copied folder. The other files
    (``epoch_3.pth``, ``iter_500.pth``, ``stopped.pth``) are compared by the iterations that they
    hold.

    Args:
        folder: The work dir.

    Returns:
        The path, None in a folder without checkpoints, and a line for each damaged file.

    Raises:
        UserError: There are checkpoints, and all of them are damaged.
    """
    folder = Path(folder)
    latest = folder / _LATEST
    notes: list[str] = []
    if latest.exists() and _is_whole(latest, notes):  # False for a broken link
        return str(latest), notes
    others = [
        path
        for name in ("epoch_*.pth", "iter_*.pth", STOPPED_FILE)
        for path in folder.glob(name)
        if name == STOPPED_FILE or path.stem.partition("_")[2].isdigit()
    ]
    others = [path for path in others if not (notes and path.samefile(latest))]
    for path in sorted(others, key=_iterations, reverse=True):
        if _is_whole(path, notes):
            return str(path), [f"{note}; resuming from {path} instead" for note in notes]
    if notes:
        raise UserError(
            f"no checkpoint in {folder} can be read ({notes[0]}): copy one back, or remove them to "
            "start from the beginning"
        )
    return None, notes


def _is_whole(path: Path, notes: list[str]) -> bool:
    """Return whether a checkpoint can be read; add a note if not."""
    try:
        load_state(str(path), map_location="meta")  # allocates no memory for the weights
    except UserError as error:
        notes.append(one_line(error))
        return False
    return True


def _iterations(path: Path) -> tuple[int, str]:
    """Return the iterations that a checkpoint holds, and its name; -1 for a damaged file."""
    try:
        state = load_state(str(path), map_location="meta", verify=False)
    except UserError:
        return -1, path.name
    iterations = meta_of(state).get("iter", 0)
    return iterations if isinstance(iterations, int) else -1, path.name
