"""Config files: read with overrides, checked key by key, asked, and written as text.

An unknown key anywhere in a config is an error that names the nearest valid one. Nothing is
imported here, so that the study can ask a config (``inspect``) without loading torch.
"""
