_base_ = "simclr_resnet50_8xb32-coslr-200e_in1k.py"

optimizer = dict(lr=0.6)
data = dict(samples_per_gpu=64)  # 8 GPUs: a batch of 512
