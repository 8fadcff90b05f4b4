# The path of MMSelfSup v0.5.0.
_base_ = "../mocov1/mocov1_resnet50_8xb32-steplr-200e_in1k.py"
