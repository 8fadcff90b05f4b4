"""Training, testing and inference as separate steps."""

from .inference import inference_model, init_model
from .inference.embedder import Embedder
from .inference.predictor import Predictor
from .train import init_random_seed, set_random_seed, train_model

__all__ = [
    "Embedder",
    "Predictor",
    "inference_model",
    "init_model",
    "init_random_seed",
    "set_random_seed",
    "train_model",
]
