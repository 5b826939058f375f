"""Equation numbers as links: Eq. (5) on any page and in any docstring leads to \\tag{5} on the theory page."""

import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.nodes import make_refnode

TAG = re.compile(r"\\tag\{(\d+)\}")
CITED = re.compile(r"\bEqs?\.\s+(?:\(\d+\)(?:,?\s+(?:and\s+)?|-|\s+to\s+)?)+")
PAGE = "theory"


def name(number):
    """The id of the equation on the theory page."""
    return f"eq-{number}"


def mark(app, document):
    """Gives every numbered equation of the page that is being read its id."""
    for equation in document.findall(nodes.math_block):
        equation["ids"] += [name(number) for number in TAG.findall(equation.astext())]


class CitedEquations(SphinxPostTransform):
    """Replaces the numbers of cited equations by links."""

    default_priority = 900

    def run(self, **_):
        skipped = (nodes.literal, nodes.literal_block, nodes.reference, nodes.math, nodes.math_block, nodes.raw)
        for text in list(self.document.findall(nodes.Text)):
            node = text.parent
            while node is not None and not isinstance(node, skipped):
                node = node.parent
            if node is None and CITED.search(text):
                text.parent.replace(text, self.linked(str(text)))

    def linked(self, text):
        """The text as nodes in which each number is a link."""
        found, end = [], 0
        for cited in CITED.finditer(text):
            for number in re.finditer(r"\((\d+)\)", cited[0]):
                start = cited.start() + number.start()
                found += [nodes.Text(text[end:start]), make_refnode(
                    self.app.builder, self.env.docname, PAGE, name(number[1]), nodes.Text(number[0]))]
                end = start + len(number[0])
        return [*found, nodes.Text(text[end:])]


def setup(app):
    app.connect("doctree-read", mark)
    app.add_post_transform(CitedEquations)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
