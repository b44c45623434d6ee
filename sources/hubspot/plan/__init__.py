"""What a run is to do, and why: pure functions from facts to steps, without any input or output."""
