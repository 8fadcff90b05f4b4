"""The path of svm_helper.py in MMSelfSup 0.x; the functions are in ``mmselfsup.evaluation.svm``."""

from mmselfsup.evaluation.svm import average_precision, load_features, load_targets

__all__ = ["average_precision", "load_features", "load_targets"]
