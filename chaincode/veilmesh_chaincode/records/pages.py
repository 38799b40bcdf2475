"""Lists come in pages: at most `limit` entries, and a bookmark that asks for the next (empty: no more)."""

from typing import Annotated, Generic, TypeVar

from pydantic import Field

from veilmesh_chaincode.records.base import Document

Entry = TypeVar("Entry", bound=Document)


class PageRequest(Document):
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    bookmark: str = ""


class Page(Document, Generic[Entry]):
    entries: list[Entry]
    bookmark: str
