"""The portal over HTTP: the server, one table of routes, the control API of tests."""
