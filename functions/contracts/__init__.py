"""A JSON Schema and a sample of every event, numbered in flow order; made by ``python -m functions.contracts``.

A sample is a whole CloudEvent in structured form. The schema is that of its ``data``, and ``dataschema`` names it.
"""
