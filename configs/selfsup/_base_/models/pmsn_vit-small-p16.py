_base_ = "msn_vit-small-p16.py"

model = dict(
    type="PMSN",
    # Sinkhorn-Knopp would make all prototypes equally frequent.
    head=dict(sinkhorn_iterations=0, power_law_exponent=0.25),
)
