_base_ = "custom.py"

train_pipeline = [
    dict(type="RandomResizedCrop", size=64, scale=(0.4, 1.0)),
    dict(type="RandomHorizontalFlip"),
    dict(type="ColorJitter", brightness=0.2, contrast=0.2, saturation=0.2, hue=0.02),
    dict(type="ToTensor"),
    dict(type="Normalize", mean="auto", std="auto"),
]
test_pipeline = [
    dict(type="Resize", size=72),
    dict(type="CenterCrop", size=64),
    dict(type="ToTensor"),
    dict(type="Normalize", mean="auto", std="auto"),
]

data = dict(
    train=dict(pipeline=train_pipeline),
    val=dict(pipeline=test_pipeline),
)
