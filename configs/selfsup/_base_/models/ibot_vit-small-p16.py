_base_ = "dino_vit-small-p16.py"

model = dict(
    type="IBOT",
    backbone=dict(type="IBOTViT"),
    head=dict(type="IBOTHead", patch_weight=1.0),
)
