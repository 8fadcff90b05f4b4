"""The stages of a study, one a file: its command lines, their outputs, and the record of them."""
