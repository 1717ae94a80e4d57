"""What the daemon writes: request records, events, diagnostics and the console."""
