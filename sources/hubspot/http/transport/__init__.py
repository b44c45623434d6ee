"""Bytes over the network: connections, bodies, deadlines, downloads."""
