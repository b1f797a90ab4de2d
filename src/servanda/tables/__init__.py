"""The classic tables of the field, each usable alone: points, option form, positions."""
