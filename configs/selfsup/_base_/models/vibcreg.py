_base_ = "vicreg.py"

model = dict(
    type="VIbCReg",
    neck=dict(hid_channels=2048, out_channels=2048),
    head=dict(type="VIbCRegHead"),
)
