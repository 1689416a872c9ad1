"""Pages that commands write.

explained  the page of `vigilens scan --explain`; its template is explained.html
overlay    a picture beside a reference as SVG: region, joined corners; also in the demo's report
templates  the Jinja environment; base.html and beside.html are shared with the demo's report
"""
