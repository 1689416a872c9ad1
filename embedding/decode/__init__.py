"""Bytes → RGB pixels as a viewer would show them.

decoder  which formats are accepted, and within which limits
frames   how many frames a file has
jpeg     JPEG → pixels in the quickest way, reduced where that is permitted
colour   any colour mode, profile and orientation → upright sRGB
"""
