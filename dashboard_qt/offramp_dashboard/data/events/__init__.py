"""What `events.jsonl` holds: when delegation was paused, and when no daemon ran. No Qt."""
