"""The warehouse between two loads: what is there, what SQL does after a load, the rows of runs."""
