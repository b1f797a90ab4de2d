"""What the analyst writes: a scenario file, its formulas, and the worlds drawn from it.

`load` reads and checks a file, `draw` and `modal` make the worlds in which the game is solved.
This room imports no other room.
"""
