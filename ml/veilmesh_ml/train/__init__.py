"""Builds what the package ships as weights.

The bank of averages (`bank`) needs scikit-learn, the extra `[evaluate]`; networks (`trainer`) need torch,
the extra `[gan]`, and a file that `prepare` makes.
"""
