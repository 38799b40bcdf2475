"""Measure what the project claims: counts and intervals, never one lucky photo.

`verification` follows LFW's protocol; `rates` counts errors; `plots` draws; `report` writes one JSON document
and one HTML page. Needs the `[evaluate]` extra: scikit-learn (which brings scipy) and matplotlib.
"""
