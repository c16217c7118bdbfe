"""A run that keeps what it is told in a list."""

import pytest


class Heard:
    """Stands for a run."""

    def __init__(self, name="", clock=None):
        self.name, self.clock = name, clock
        self.points, self.given, self.tagged, self.texts, self.children, self.last = [], {}, {}, {}, [], []
        self.status, self.ended_at = "", None

    def log(self, values, /, *, step):
        self.points += [(name, step, float(value)) for name, value in values.items()]

    def params(self, values, /):
        self.given.update(values)
        return self.given

    def tags(self, values, /):
        self.tagged.update(values)

    def log_text(self, text, to):
        self.texts[to] = text

    def log_dict(self, content, to):
        self.texts[to] = content

    def begin_child(self, name, *, clock=None):
        self.children.append(Heard(name, clock))
        return self.children[-1]

    def end(self, status, /):
        self.status, self.ended_at = status, self.clock() if self.clock else None

    def at_end(self, last):
        self.last.append(last)

    def finish(self):
        for last in self.last:
            last()

    def curve(self, name):
        return [value for one, _, value in self.points if one == name]


@pytest.fixture
def run():
    return Heard()
