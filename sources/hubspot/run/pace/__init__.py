"""How a run spends calls and time: calls in flight, waiting for them, the bound of a load."""
