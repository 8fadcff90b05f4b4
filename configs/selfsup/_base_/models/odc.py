model = dict(
    type="ODC",
    with_sobel=False,
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
    ),
    neck=dict(
        type="ODCNeck",  # fc-bn-relu-dropout-fc-relu
        in_channels=2048,
        hid_channels=512,
        out_channels=256,
        with_avg_pool=True,
    ),
    head=dict(type="ClsHead", with_avg_pool=False, in_channels=256, num_classes=10000),
    memory_bank=dict(
        type="ODCMemory",
        length=1281167,  # images of ImageNet; None takes the length of the training data
        feat_dim=256,
        momentum=0.5,
        num_classes=10000,
        min_cluster=20,
        debug=False,
    ),
)
