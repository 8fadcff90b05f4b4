_base_ = "simclr_resnet18_1xb128-coslr-100e_isic2019-64.py"

# Small enough for minutes on two CPU cores: half of the width, 48 pixels, few epochs.
model = dict(
    backbone=dict(stem_channels=32, base_channels=32),
    neck=dict(in_channels=256, hid_channels=256, out_channels=64),
)

train_pipeline = [
    dict(type="RandomResizedCrop", size=48, scale=(0.3, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="RandomVerticalFlip"),
    dict(
        type="RandomAppliedTrans",
        transforms=[dict(type="RandomRotation", degrees=(90, 90))],
        p=0.5,
    ),
    dict(
        type="RandomAppliedTrans",
        transforms=[
            dict(type="ColorJitter", brightness=0.4, contrast=0.4, saturation=0.4, hue=0.05)
        ],
        p=0.8,
    ),
    dict(type="RandomGrayscale", p=0.1),
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]
data = dict(samples_per_gpu=64, train=dict(pipelines=[train_pipeline]))

optimizer = dict(lr=0.1)
runner = dict(max_epochs=14)
