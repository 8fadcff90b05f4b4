"""A look at frozen features before and after pre-training: a map of them, and neighbours."""
