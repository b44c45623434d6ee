"""Export files: started, fetched, checked and read."""
