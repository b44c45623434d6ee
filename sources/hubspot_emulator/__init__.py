"""A HubSpot portal on localhost: for demos, tests and benchmarks."""
