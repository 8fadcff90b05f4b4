# Given weights, continued on 25,000 images: the path of dinov2_vits14_pretrain.pth in load_from.
_base_ = "dinov2_vit-small-p14_1xb64-mcrop-2-6-coslr-200e_isic2019.py"

load_from = "dinov2_vits14_pretrain.pth"
# The backbone keeps what it knows: updates of low rank, after two epochs in which only the
# projections learn.
adapt = dict(type="lora", rank=8, freeze_epochs=2)

model = dict(
    base_momentum=0.994,
    backbone=dict(drop_path_rate=0.0),
)
lr_config = dict(warmup_iters=2)  # epochs
runner = dict(max_epochs=30)
# The weight decay stays low, and the teacher's temperature is reached early.
custom_hooks = [
    dict(type="MomentumUpdateHook", end_momentum=1.0),
    dict(type="ScheduleHook", target="optimizer.weight_decay", start=0.04, end=0.2),
    dict(
        type="ScheduleHook",
        target="model.head.teacher_temperature",
        warmup_start=0.04,
        warmup=5,
        start=0.07,
        end=0.07,
    ),
]
