"""Tools for the ISIC-2019 skin lesion data set: splits, colour constancy, statistics."""
