_base_ = "ibot_vit-small-p16.py"

model = dict(
    type="DINOv2",
    koleo_weight=0.1,
    # LayerScale and patches of 14 pixels, as the authors' dinov2_vits14; num_registers=4 for
    # dinov2_vits14_reg.
    backbone=dict(
        patch_size=14, drop_path_rate=0.1, layer_cfgs=dict(init_values=1e-5), num_registers=0
    ),
    head=dict(centring="sinkhorn", sinkhorn_iterations=3),
)
