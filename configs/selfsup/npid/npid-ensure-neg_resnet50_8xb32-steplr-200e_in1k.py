_base_ = "npid_resnet50_8xb32-steplr-200e_in1k.py"

# never draw an image as its own negative
model = dict(ensure_neg=True)
