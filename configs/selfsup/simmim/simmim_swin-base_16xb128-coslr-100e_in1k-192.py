_base_ = "simmim_swin-base_8xb256-coslr-100e_in1k-192.py"

data = dict(samples_per_gpu=128)  # 16 GPUs: steps of 2048 images
