"""Gradients from several threads at once.

autograd numbers nested traces by one counter for the whole process. Two threads that differentiate at the
same time give a trace of theirs the number of another, and a gradient inside a gradient is then taken with
respect to the wrong variable. Here each thread counts for itself. The counter is otherwise autograd's, which
this replaces when `reference` is imported.
"""
import threading
from contextlib import contextmanager

from autograd import tracer

__all__ = ["TraceStack"]


class TraceStack(threading.local):
    """The number of traces that are open in the current thread, less one."""

    def __init__(self):
        self.top = -1

    @contextmanager
    def new_trace(self):
        self.top += 1
        try:
            yield self.top
        finally:
            self.top -= 1


tracer.trace_stack = TraceStack()
