model = dict(
    type="Classification",
    backbone=dict(
        type="VisionTransformer",
        arch="mocov3-small",
        img_size=224,
        patch_size=16,
        stop_grad_conv1=True,
    ),
    head=dict(type="ClsHead", in_channels=384, num_classes=1000, vit_backbone=True),
)

# 0.x has these two names, and nothing reads them.
train_cfg = dict()
test_cfg = dict()
