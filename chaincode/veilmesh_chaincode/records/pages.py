"""Lists come in pages: at most `limit` entries, and a bookmark that asks for the next (empty: no more).

A page may be shorter than its limit and still have a successor, since a page is bounded in bytes, too.
"""

from typing import ClassVar, Generic, TypeVar

from veilmesh_chaincode.records.base import Bookmark, Document, Limit

Entry = TypeVar("Entry", bound=Document)

MAX_PAGE_BYTES = 1024 * 1024  # of entries; one more entry may overshoot it


class PageRequest(Document):
    limit: Limit = 100
    bookmark: Bookmark = ""


class Page(Document, Generic[Entry]):
    max_bytes: ClassVar[int] = 2 * MAX_PAGE_BYTES

    entries: list[Entry]
    bookmark: Bookmark
