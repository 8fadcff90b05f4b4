_base_ = "mocov2.py"

model = dict(
    type="InterCLRMoCo",
    memory_bank=dict(
        type="InterCLRMemory",
        length=1281167,  # images of ImageNet
        feat_dim=128,
        momentum=1.0,
        num_classes=10000,
        min_cluster=20,
        debug=False,
    ),
    online_labels=True,
    neg_num=16384,
    neg_sampling="semihard",  # hard, semihard, random, semieasy
    semihard_neg_pool_num=128000,
    semieasy_neg_pool_num=128000,
    intra_cos_marign_loss=False,
    intra_cos_margin=0,
    inter_cos_marign_loss=True,
    inter_cos_margin=-0.5,
    intra_loss_weight=0.75,
    inter_loss_weight=0.25,
    share_neck=True,
    num_classes=10000,
)
