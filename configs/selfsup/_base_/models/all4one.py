_base_ = "nnclr.py"

model = dict(
    type="All4One",
    base_momentum=0.99,
    num_neighbours=5,
    head=dict(
        type="All4OneHead",
        feat_dim=256,  # the neck's out_channels
        temperature=0.2,
        depth=3,
        num_heads=8,
        neighbour_weight=0.5,
        centroid_weight=0.5,
        feature_weight=5.0,
    ),
)
