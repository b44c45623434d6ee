"""Who calls: the tokens that calls carry."""
