"""Results for people: in the terminal and as charts.

Charts are Vega-Lite specifications: plain dicts made by the functions of `charts`, turned into SVG
or PNG by `render`. `text_charts` draws with characters, for the terminal.
"""
