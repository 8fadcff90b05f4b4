_base_ = "simsiam.py"

model = dict(type="FastSiam")
