"""Trained networks in the formats of other programs, each read back and compared with the model.

A format is one class with ``write`` and ``load`` in one of the files here.
"""

from .description import Description, Preprocessing, preprocessing_of
from .format import Format
from .graphs import Onnx, TorchExport, TorchScript
from .network import ImageNetwork, outputs_of
from .timm_folder import TimmFolder
from .transformers_folder import HuggingFace
from .weights import SafeTensors, TorchVision

#: The formats by their names on the command line.
FORMATS: dict[str, type[Format]] = {
    kind.name: kind
    for kind in (Onnx, TorchScript, TorchExport, SafeTensors, TimmFolder, TorchVision, HuggingFace)
}

__all__ = [
    "FORMATS",
    "Description",
    "Format",
    "ImageNetwork",
    "Preprocessing",
    "outputs_of",
    "preprocessing_of",
]
