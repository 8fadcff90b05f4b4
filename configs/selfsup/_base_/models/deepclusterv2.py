_base_ = "swav.py"

model = dict(
    type="DeepClusterV2",
    head=dict(
        _delete_=True,
        type="DeepClusterV2Head",
        feat_dim=128,  # the neck's out_channels
        num_clusters=[3000, 3000, 3000],
        temperature=0.1,
        num_crops=[2, 6],  # the data's num_views
        crops_for_assign=[0, 1],
        kmeans_iters=10,
    ),
)
custom_hooks = [dict(type="DeepClusterV2Hook")]
