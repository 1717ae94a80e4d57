"""The charts over time: their axes, bars and hover panel, and the chart that all others extend."""
