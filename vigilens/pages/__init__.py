"""Pages that commands write.

explained  the page of `vigilens scan --explain`; its template is explained.html
overlay    draws a picture beside a reference as SVG, with region and joined corners; also for the demo's report
templates  the Jinja environment; base.html and beside.html are shared with the demo's report
"""
