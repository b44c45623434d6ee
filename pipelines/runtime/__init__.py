"""What a run needs around the source: its folder, stored state, signals, the run log, repair."""
