"""`veilmesh demo`: the whole story of a small consortium, on one machine, told by the commands a user would type."""
