"""Usage by conversation: who used what when, kept small enough to stay in memory."""
