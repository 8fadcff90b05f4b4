# v0.5.0's name of a config that 0.x renamed; the values are 0.x's
_base_ = "resnet50-sobel_linear-8xb32-steplr-100e_in1k.py"
