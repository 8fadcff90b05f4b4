_base_ = "../../../_base_/imagenet_val.py"

dataset_type = "RelativeLocDataset"
img_norm_cfg = dict(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
# 255 pixels: 3 x 3 cells of 85, patches of 64. Grey images have no colour fringes, which would
# reveal the place of a patch.
train_pipeline = [
    dict(type="Resize", size=292),
    dict(type="RandomCrop", size=255),
    dict(type="RandomGrayscale", p=0.66),
]
test_pipeline = [
    dict(type="Resize", size=292),
    dict(type="CenterCrop", size=255),
]
format_pipeline = [
    dict(type="ToTensor"),
    dict(type="Normalize", **img_norm_cfg),
]

data = dict(
    samples_per_gpu=64,  # 8 GPUs: a batch of 512
    train=dict(type=dataset_type, pipeline=train_pipeline, format_pipeline=format_pipeline),
    val=dict(type=dataset_type, pipeline=test_pipeline, format_pipeline=format_pipeline),
)
