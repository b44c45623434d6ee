"""The command line: commands and options, settings given in vain, masked secrets, exit codes."""
