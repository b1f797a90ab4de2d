"""The questions a negotiator asks, one file each, over the same games and results."""
