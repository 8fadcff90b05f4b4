_base_ = "lejepa.py"

# The weight of the paper for small data sets.
model = dict(
    type="VISReg",
    head=dict(_delete_=True, type="VISRegHead", lambd=0.6, num_directions=4096, num_global=2),
)
