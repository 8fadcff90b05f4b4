"""The diagnoses of ISIC-2019, in the order of the challenge's ground truth file.

Source: ISIC 2019 challenge, https://challenge.isic-archive.com/landing/2019
"""

#: Label ``i`` of every list and every score column is ``CLASSES[i]``.
CLASSES: tuple[str, ...] = ("MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC")

#: Column of "none of the others": it exists in the files, but no training image has it.
UNKNOWN = "UNK"

#: Full names of the classes.
CLASS_NAMES: dict[str, str] = {
    "MEL": "melanoma",
    "NV": "melanocytic nevus",
    "BCC": "basal cell carcinoma",
    "AK": "actinic keratosis",
    "BKL": "benign keratosis",
    "DF": "dermatofibroma",
    "VASC": "vascular lesion",
    "SCC": "squamous cell carcinoma",
}
