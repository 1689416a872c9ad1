"""Text from other people, such as file names, labels and categories, as it may be printed."""


def printable(text: str) -> str:
    """Escape control characters, because a terminal obeys them."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
