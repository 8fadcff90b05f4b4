# Data sets of k-NN and linear probe on your own images, for networks trained at 64 pixels.
_base_ = "_base_/datasets/custom-64.py"

data = dict(train=dict(pipeline={{_base_.test_pipeline}}))
