_base_ = "byol_resnet50_16xb256-coslr-200e_in1k.py"

data = dict(samples_per_gpu=32, workers_per_gpu=4)

update_interval = 16  # 8 GPUs: steps of 4096 images
optimizer_config = dict(update_interval=update_interval)
custom_hooks = [dict(type="BYOLHook", end_momentum=1.0, update_interval=update_interval)]
