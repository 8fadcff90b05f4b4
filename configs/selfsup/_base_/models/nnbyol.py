_base_ = "byol.py"

model = dict(type="NNBYOL", feat_dim=256, backbone=dict(zero_init_residual=True))
