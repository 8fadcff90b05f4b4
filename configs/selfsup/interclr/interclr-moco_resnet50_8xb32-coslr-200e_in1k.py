_base_ = [
    "../_base_/models/interclr-moco.py",
    "../_base_/datasets/imagenet_interclr-moco.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

checkpoint_config = dict(interval=10, max_keep_ckpts=3)
