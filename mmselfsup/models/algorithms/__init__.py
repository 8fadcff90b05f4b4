"""Self-supervised methods and the classifiers that judge them."""

from .base import BaseModel
from .classification import Classification
from .mmcls_classifier_wrapper import MMClsImageClassifierWrapper
from .simclr import SimCLR

__all__ = ["BaseModel", "Classification", "MMClsImageClassifierWrapper", "SimCLR"]
