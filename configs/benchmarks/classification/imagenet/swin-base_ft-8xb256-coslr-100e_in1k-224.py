_base_ = "swin-base_ft-8xb256-coslr-100e_in1k.py"

model = dict(
    backbone=dict(img_size=224, stage_cfgs=dict(block_cfgs=dict(window_size=7))),
)

train_pipeline = [
    dict(
        type="RandomAug",
        input_size=224,
        color_jitter=0.4,
        auto_augment="rand-m9-mstd0.5-inc1",
        interpolation="bicubic",
        re_prob=0.25,
        re_mode="pixel",
        re_count=1,
        mean={{_base_.img_norm_cfg.mean}},
        std={{_base_.img_norm_cfg.std}},
    )
]
test_pipeline = [
    dict(type="Resize", size=256, interpolation=3),  # bicubic
    dict(type="CenterCrop", size=224),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(train=dict(pipeline=train_pipeline), val=dict(pipeline=test_pipeline))
