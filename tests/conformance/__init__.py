"""Conformance: every public function of both packages under the laws of DESIGN.md, "Parameters are data"."""
