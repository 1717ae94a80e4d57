"""What the set-up window does, without a toolkit: each step, its outcome in words, its undoing."""
