"""Data sources: lists of images with labels."""

from .base import BaseDataSource
from .cifar import CIFAR10, CIFAR100
from .image_list import ImageList
from .imagenet import ImageNet
from .imagenet_21k import ImageNet21k
from .medmnist import MedMNIST
from .shards import Shards

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "BaseDataSource",
    "ImageList",
    "ImageNet",
    "ImageNet21k",
    "MedMNIST",
    "Shards",
]
