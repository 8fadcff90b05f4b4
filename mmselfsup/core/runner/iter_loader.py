"""An endless iterator over a loader."""

from itertools import islice
from typing import Any

from mmselfsup.utils.module import set_epoch


class IterLoader:
    """An endless iterator over a loader.

    Args:
        dataloader: The loader, with at least one batch.
        start: Number of batches that an earlier run has used.
    """

    def __init__(self, dataloader: Any, start: int = 0) -> None:
        self._dataloader = dataloader
        self._epoch, skip = divmod(start, len(dataloader))
        set_epoch(dataloader, self._epoch)
        self.iter_loader = islice(dataloader, skip, None)

    @property
    def epoch(self) -> int:
        """Return the number of complete passes."""
        return self._epoch

    def __next__(self) -> Any:
        batch = next(self.iter_loader, None)
        if batch is None:
            self._epoch += 1
            set_epoch(self._dataloader, self._epoch)
            self.iter_loader = islice(self._dataloader, 0, None)
            batch = next(self.iter_loader)
        return batch

    def __len__(self) -> int:
        return len(self._dataloader)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._dataloader, name)  # hooks read .dataset, .sampler, ...
