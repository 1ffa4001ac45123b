"""Building blocks that more than one model uses."""

from genkeras.layers.nade_scan import nade_scan

__all__ = ["nade_scan"]
