"""HTML that commands write.

explained  the page of `vigilens scan --explain`: what explained.html shows
overlay    a picture beside a reference as SVG: region, joined corners; the demo's report has it too
templates  fills in a template: the one Jinja environment; base.html and beside.html are shared with the demo
"""
