"""A trained model and any images: predictions, features, and pictures of both."""

from .single_image import inference_model, init_model

__all__ = ["inference_model", "init_model"]
