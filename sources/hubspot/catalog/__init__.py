"""Object types, pairs and endpoints as data, and their names."""
