_base_ = "byol_resnet50_16xb256-coslr-200e_in1k.py"

data = dict(workers_per_gpu=4)

update_interval = 2  # 8 GPUs: steps of 4096 images
optimizer_config = dict(update_interval=update_interval)
custom_hooks = [dict(type="BYOLHook", end_momentum=1.0, update_interval=update_interval)]

fp16 = dict(loss_scale=512.0)
