"""Conformance: every public function of both packages under the laws that CONTRIBUTING names."""
