"""Faces: detect, align, encode, anonymize, and the gate that tries to break every anonymized picture."""
