"""One module per family of endpoints: stateless, without dlt."""
