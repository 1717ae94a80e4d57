"""The set-up window: four short steps and a test, for a first run without a terminal."""
