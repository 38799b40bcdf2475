"""Surrogate images, stored and named by content id."""

from veilmesh_node.content.cid import content_id
from veilmesh_node.content.folder import FolderContentStore
from veilmesh_node.content.ipfs import IpfsContentStore

__all__ = ["FolderContentStore", "IpfsContentStore", "content_id"]
