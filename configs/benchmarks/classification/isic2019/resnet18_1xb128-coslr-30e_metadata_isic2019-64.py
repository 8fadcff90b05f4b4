_base_ = "resnet18_1xb128-coslr-30e_isic2019-64.py"

# Age, site and sex of the patient are a second input (Gessert et al. 2020).
model = dict(head=dict(type="MetadataClsHead"))

patients = dict(data_source=dict(patients="data/isic2019/ISIC_2019_Training_Metadata.csv"))
data = dict(train=patients, val=patients, test=patients)
