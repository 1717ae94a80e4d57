"""How the window draws the plans' limits: burn-up charts, their legend, and small meters."""
