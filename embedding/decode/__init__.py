"""Bytes → RGB pixels as a viewer would show them.

decoder   opens a file, and shows its frames
formats   which format a file has
limits    which files would cost too much
tiff      the directories of a TIFF
frames    counts the frames of a file, and samples them
jpeg      JPEG → pixels, faster than Pillow, and reduced where that is permitted
optional  HEIC and JPEG XL, with packages of their own
svg       the pictures in an SVG
colour    any colour mode, profile and orientation → upright sRGB, and other readings of the same values
compare   tells which frames and readings show something new
"""
