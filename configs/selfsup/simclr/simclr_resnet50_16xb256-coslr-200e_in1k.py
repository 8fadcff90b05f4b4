_base_ = "simclr_resnet50_8xb32-coslr-200e_in1k.py"

optimizer = dict(lr=4.8)
data = dict(samples_per_gpu=256, workers_per_gpu=8)  # 16 GPUs: a batch of 4096
