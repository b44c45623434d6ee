"""One module per command: it computes, returns a RunReport and never prints."""
