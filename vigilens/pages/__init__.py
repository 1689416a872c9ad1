"""HTML that commands write.

explained  the page of `vigilens scan --explain`
overlay    a picture beside a reference as SVG: region, joined corners; the demo's report has it too
"""
