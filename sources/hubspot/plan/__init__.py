"""What a run is to do, and why."""
