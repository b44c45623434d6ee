"""Reference tables: small, read whole, loaded where their content differs from the last load."""
