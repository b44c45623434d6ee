"""The account: its users, teams, currencies and limits, and who did what in it."""
