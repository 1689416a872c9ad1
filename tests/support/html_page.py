"""Parses the HTML pages that we write."""

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """The tags and words of a page; fails if a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.words = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "input", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def of(self, tag, class_=None):
        return [given for name, given in self.tags if name == tag and class_ in {None, given.get("class")}]


def joins(path):
    return [tuple(map(float, numbers)) for numbers in re.findall(r"M(\S+) (\S+)L(\S+) (\S+?)(?=M|$)", path["d"])]
