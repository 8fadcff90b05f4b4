_base_ = "simsiam.py"

model = dict(type="NNSiam", feat_dim=2048)
