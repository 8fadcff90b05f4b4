_base_ = "cae_vit-base-p16_8xb256-fp16-coslr-300e_in1k.py"

data = dict(samples_per_gpu=128)  # 16 GPUs: steps of 2048 images
