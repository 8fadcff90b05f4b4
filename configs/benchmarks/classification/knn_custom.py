# Data sets of k-NN and linear probe on your own images, see _base_/datasets/custom.py.
_base_ = "_base_/datasets/custom.py"

data = dict(train=dict(pipeline={{_base_.test_pipeline}}))
