_base_ = "deepcluster_resnet50_8xb64-steplr-200e_in1k.py"

# edges instead of colours
model = dict(with_sobel=True, backbone=dict(in_channels=2))
