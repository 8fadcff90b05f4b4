_base_ = [
    "../_base_/models/mocov2.py",
    "../_base_/datasets/isic2019_simclr.py",
    "../_base_/schedules/sgd_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    queue_len=None,  # from the data: 4096 for 20,000 images
    momentum=0.99,  # fewer iterations than on ImageNet: the key encoder must change faster
)

optimizer = dict(lr=0.03)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
