model = dict(
    type="MoCoV3",
    base_momentum=0.99,
    backbone=dict(
        type="VisionTransformer",
        arch="mocov3-small",  # 12 heads of 32 channels
        img_size=224,
        patch_size=16,
        stop_grad_conv1=True,  # the patch embedding stays random, which makes training stable
    ),
    neck=dict(
        type="NonLinearNeck",  # fc-bn-relu-fc-bn-relu-fc-bn
        in_channels=384,
        hid_channels=4096,
        out_channels=256,
        num_layers=3,
        with_bias=False,
        with_last_bn=True,
        with_last_bn_affine=False,
        with_last_bias=False,
        with_avg_pool=False,
        vit_backbone=True,  # the class token
    ),
    head=dict(
        type="MoCoV3Head",
        predictor=dict(
            type="NonLinearNeck",  # fc-bn-relu-fc-bn
            in_channels=256,
            hid_channels=4096,
            out_channels=256,
            num_layers=2,
            with_bias=False,
            with_last_bn=True,
            with_last_bn_affine=False,
            with_last_bias=False,
            with_avg_pool=False,
        ),
        temperature=0.2,
    ),
)
