"""The charts window: draws the request log, and follows it as it grows.

Feed (worker threads) → models → views; views know no file and no socket.
"""
