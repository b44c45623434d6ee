"""What a test makes go wrong and looks at: faults, anomalies, budgets, the journal of calls."""
