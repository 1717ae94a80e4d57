"""The settings that people change, as a form over the same file and the same checks."""
