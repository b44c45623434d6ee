"""What every portal has as data: object types, property definitions, owners, pipelines."""
