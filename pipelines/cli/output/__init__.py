"""What a command says: its report as text or JSON, screens that fit, progress, logs."""
