_base_ = "barlowtwins_resnet50_8xb256-coslr-300e_in1k.py"

data = dict(samples_per_gpu=32)

update_interval = 8  # 8 GPUs: steps of 2048 images, each correlation over 256
optimizer_config = dict(update_interval=update_interval)
runner = dict(max_epochs=100)
