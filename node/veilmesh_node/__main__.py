"""`python -m veilmesh_node` is `veilmesh`."""

from veilmesh_node.cli.main import main

if __name__ == "__main__":
    main()
