"""Conformance: the laws of DESIGN.md, "Parameters are data", held over every public function of both packages."""
