_base_ = "vicreg.py"

model = dict(
    type="LeJEPA",
    neck=dict(hid_channels=2048, out_channels=64),
    head=dict(_delete_=True, type="LeJEPAHead", lambd=0.05, num_directions=1024, num_global=2),
)
