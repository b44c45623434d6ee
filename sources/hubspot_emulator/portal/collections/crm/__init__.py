"""What belongs to CRM records and is none: lists, deal splits, forecasts, imports, audits."""
