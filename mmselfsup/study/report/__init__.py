"""The report of a study, and the table over several: numbers in, one HTML page out."""
