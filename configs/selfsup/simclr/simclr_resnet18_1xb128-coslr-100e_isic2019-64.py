_base_ = [
    "../_base_/models/simclr.py",
    "../_base_/datasets/isic2019-64_simclr.py",
    "../_base_/schedules/lars_coslr-200e_in1k.py",
    "../_base_/default_runtime.py",
]

model = dict(
    backbone=dict(depth=18),
    neck=dict(in_channels=512, hid_channels=512),
    head=dict(temperature=0.2),
)

# Small batches: lr = 0.075 * sqrt(batch size) (SimCLR, appendix B.1)
optimizer = dict(
    lr=0.85,
    paramwise_options={
        "(bn|gn)(\\d+)?.(weight|bias)": dict(weight_decay=0.0, lars_exclude=True),
        "bias": dict(weight_decay=0.0, lars_exclude=True),
    },
)
runner = dict(max_epochs=100)

checkpoint_config = dict(interval=10, max_keep_ckpts=2)
log_config = dict(interval=10)
