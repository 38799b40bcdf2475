"""`veilmesh demo`: the story of a small consortium on one machine, told by the commands a user would type."""
