"""From a flow's whitened draws to parameters inside the prior."""
