"""The fake services of the other backends that Offramp has settings for."""
