"""What Google Cloud Storage says of objects, as far as it is read."""

from pydantic import BaseModel, Field


class Metadata(BaseModel):
    """The fields of https://cloud.google.com/storage/docs/json_api/v1/objects#resource that we compare."""

    size: int
    crc32c: str
    generation: int


class Listed(Metadata):
    """An object of a page."""

    name: str
    metadata: dict[str, str] = {}
    is_held: bool = Field(default=False, alias="temporaryHold")


class Page(BaseModel):
    """Some of what a bucket holds."""

    items: list[Listed] = []
    next_page: str = Field(default="", alias="nextPageToken")


PAGE_FIELDS = "nextPageToken,items(name,size,crc32c,generation,metadata,temporaryHold)"
