"""Formats that hold the computation: ONNX, TorchScript, torch.export.

All take any number of images; those of a network whose weights belong to no size of the images
take any size, too.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.fx.experimental import _config

from mmselfsup.utils.files import atomic_write

from .description import Description
from .format import Format, Run, json_text
from .network import ImageNetwork

_DESCRIPTION = "config.json"  # name of the extra file in torch's formats


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what the exporters say about themselves."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _program(network: ImageNetwork, images: Tensor) -> Any:
    """Return the program of ``torch.export`` for any number of images, and any size if it may."""
    sides = (2, 3) if network.takes_any_size else ()
    shape = {0: torch.export.Dim("batch"), **dict.fromkeys(sides, torch.export.Dim.DYNAMIC)}
    # Otherwise the program is good only for images whose last map has one place, or only for
    # those whose last map has more, as the traced images have.
    any_map = {"backed_size_oblivious": True} if hasattr(_config, "backed_size_oblivious") else {}
    with _config.patch(any_map):  # type: ignore[attr-defined]
        return torch.export.export(network, (images,), dynamic_shapes={"images": shape})


class Onnx(Format):
    """ONNX, with preprocessing and classes in the metadata of the file."""

    name = "onnx"
    file = "model.onnx"
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")
    reading = """import onnxruntime

session = onnxruntime.InferenceSession("FOLDER/model.onnx")
(output,) = session.run(None, {"images": images})  # float32 [N, C, H, W], normalised"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        with _quiet():
            program: Any = torch.onnx.export(
                _program(network, images), (), dynamo=True, verbose=False,
                input_names=["images"], output_names=[description.output],
            )  # fmt: skip
        values = description.values()
        texts = {k: v if isinstance(v, str) else json_text(v) for k, v in values.items()}
        program.model.metadata_props.update(texts)
        with atomic_write(path) as file:
            file.write(program.model_proto.SerializeToString())

    def load(self, network: ImageNetwork, path: Path) -> Run:
        import onnxruntime

        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

        def run(images: Tensor) -> Tensor:
            return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])

        return run


class TorchScript(Format):
    """TorchScript, traced, with the description as the extra file ``config.json``."""

    name = "torchscript"
    file = "model.torchscript.pt"
    reading = """import torch

more = {"config.json": ""}  # is filled with mean, std, size, classes
network = torch.jit.load("FOLDER/model.torchscript.pt", _extra_files=more)
output = network(images)  # float32 [N, C, H, W], normalised"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        with _quiet():
            traced = torch.jit.trace(network, images, check_trace=False)
            buffer = io.BytesIO()
            extra = {_DESCRIPTION: json_text(description.values())}
            torch.jit.save(traced, buffer, _extra_files=extra)
        with atomic_write(path) as file:
            file.write(buffer.getvalue())

    def load(self, network: ImageNetwork, path: Path) -> Run:
        with _quiet():
            run: Run = torch.jit.load(str(path))
        return run


class TorchExport(Format):
    """A program of ``torch.export``, with the description as the extra file ``config.json``."""

    name = "torch-export"
    file = "model.pt2"
    reading = """import torch

more = {"config.json": ""}  # is filled with mean, std, size, classes
network = torch.export.load("FOLDER/model.pt2", extra_files=more).module()
output = network(images)  # float32 [N, C, H, W], normalised"""

    def write(
        self, network: ImageNetwork, images: Tensor, description: Description, path: Path
    ) -> None:
        with _quiet():
            program = _program(network, images)
            buffer = io.BytesIO()
            extra = {_DESCRIPTION: json_text(description.values())}
            torch.export.save(program, buffer, extra_files=extra)
        with atomic_write(path) as file:
            file.write(buffer.getvalue())

    def load(self, network: ImageNetwork, path: Path) -> Run:
        with _quiet():
            run: Run = torch.export.load(str(path)).module()
        return run
