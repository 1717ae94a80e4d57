"""How the plans' windows are used up, and the history that this is computed from. No Qt."""
