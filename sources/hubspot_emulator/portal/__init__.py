"""The state of one portal and every change that it may undergo; knows nothing of HTTP."""
