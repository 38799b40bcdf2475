"""Builds what the package ships as weights. Needs scikit-learn, the extra `[evaluate]`."""
