"""Recorded calls replayed in another process: python -m tests.conformance.process CALLS DIGESTS.

CALLS is a pickled list of entries (function, backend, variant, arguments as bytes or None); a call whose
arguments cannot be pickled is recorded again there. DIGESTS is a JSON list, one text an entry.
"""
import json
import pathlib
import pickle
import sys

from tests.conformance import data, laws, recorder

__all__ = ["entries", "replay"]


def entries(functions, backend, every=True):
    """An entry for each function, with trees of the library's own, or with `every` kind of them."""
    found = []
    for function in functions:
        call = recorder.recorded(function, backend)
        arguments = recorder.packed(call)
        variants = call.variants() if every else call.variants()[-1:]
        found += [(function, backend, variant, arguments) for variant in variants]
    return found


def replay(calls):
    """The digest of the result of each entry."""
    digests = []
    with laws.quiet():
        for function, backend, variant, arguments in calls:
            if arguments is None:
                call = recorder.recorded(function, backend)
            else:
                call = recorder.Call(function, "", recorder.BACKENDS[backend], pickle.loads(arguments))
            digests.append(data.digest(call.outcome(call.fresh(variant))))
    return digests


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        todo = pickle.load(file)
    pathlib.Path(sys.argv[2]).write_text(json.dumps(replay(todo)))
