_base_ = "resnet18_1xb32-coslr-30e_custom-64.py"

# An image may be of several classes, or of none: one column of 0 and 1 for each class, a text list
# 'name 0 1 1', or one column such as 'cyst|mass' (own_data.multi_label='|').
own_data = dict(multi_label=True)
model = dict(head=dict(type="MultiLabelClsHead"))
evaluation = dict(_delete_=True, interval=1, save_best="mAP")
