"""What is done to object tables: how each is read, and which sweeps may be due."""
