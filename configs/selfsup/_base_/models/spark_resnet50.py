model = dict(
    type="SparK",
    mask_ratio=0.6,
    backbone=dict(
        type="ResNet",
        depth=50,
        in_channels=3,
        out_indices=[1, 2, 3, 4],  # 0: the stem, 1 to 4: the stages
        norm_cfg=dict(type="SyncBN"),
    ),
    neck=dict(
        type="SparKDecoder",
        in_channels=[256, 512, 1024, 2048],
        patch_size=32,  # the stride of the last stage
        width=512,
    ),
    head=dict(type="MAEPretrainHead", norm_pix=True, patch_size=32),
)
