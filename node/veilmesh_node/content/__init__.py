"""Surrogate images, stored and named by content id."""

from veilmesh_node.content.cid import content_id
from veilmesh_node.content.folder import FolderContentStore

__all__ = ["FolderContentStore", "content_id"]
