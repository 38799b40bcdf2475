"""Node to node: probes handed over and answered, across organisations."""
