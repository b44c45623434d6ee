"""A dataset opened for reading, and the proof that a statement only reads."""
