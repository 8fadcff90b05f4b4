_base_ = ["../../../_base_/isic2019.py", "isic2019.py"]

# 255 pixels: 3 x 3 cells of 85, patches of 64. Colour distinguishes images, not
# places: two of three images are grey, as in 0.x.
train_pipeline = [
    dict(type="Resize", size=292),
    dict(type="RandomCrop", size=255),
    dict(type="RandomGrayscale", p=0.66),
]
format_pipeline = [
    dict(type="ToTensor"),
    dict(type="Normalize", mean={{_base_.img_norm_cfg.mean}}, std={{_base_.img_norm_cfg.std}}),
]

data = dict(
    train=dict(type="RelativeLocDataset", pipeline=train_pipeline, format_pipeline=format_pipeline)
)
