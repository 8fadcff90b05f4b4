_base_ = "vicreg.py"

model = dict(
    type="WMSE",
    neck=dict(hid_channels=1024, out_channels=64, num_layers=2),  # fc-bn-relu-fc
    head=dict(
        _delete_=True,
        type="WMSEHead",
        slice_size=128,  # twice out_channels
        shrinkage=1e-3,  # the paper: 0, where a covariance without inverse ends the training
    ),
)
