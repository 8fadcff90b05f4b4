_base_ = "simclr.py"

model = dict(type="SupCon", head=dict(_delete_=True, type="SupConHead", temperature=0.1))
