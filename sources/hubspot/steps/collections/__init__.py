"""The endpoints of the catalog: read as their declarations say, loaded where they differ."""
