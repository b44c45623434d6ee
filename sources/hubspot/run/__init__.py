"""One run over one portal, and what its tables work with."""
