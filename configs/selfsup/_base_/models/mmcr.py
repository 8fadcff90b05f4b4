_base_ = "vicreg.py"

model = dict(
    type="MMCR",
    neck=dict(out_channels=512),
    head=dict(_delete_=True, type="MMCRHead"),
)
