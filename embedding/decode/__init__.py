"""Bytes → RGB pixels as a viewer would show them.

decoder  which formats are accepted, and within which limits
frames   counts the frames of a file
jpeg     JPEG → pixels, faster than Pillow, and reduced where that is permitted
colour   any colour mode, profile and orientation → upright sRGB
"""
