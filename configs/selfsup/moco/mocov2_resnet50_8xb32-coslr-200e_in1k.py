# The path of MMSelfSup v0.5.0.
_base_ = "../mocov2/mocov2_resnet50_8xb32-coslr-200e_in1k.py"
