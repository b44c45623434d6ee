"""What runs and what people talk about: workflows, sequences, conversations."""
