"""All usage in the request log: read, folded into tables, and cached by the month. No Qt."""
