"""museum-search: visual search for museum collections, one small function a step.

Start at :mod:`functions.pipeline`, the map of the way of an event.
"""

__version__ = "0.1.0"
