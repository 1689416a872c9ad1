"""Why there is no encoder (in a file of its own, so that catching it loads no library)."""


class EncoderError(Exception):
    """The vectors would not be right. The text is one sentence that names the mend."""
