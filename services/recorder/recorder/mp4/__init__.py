"""MP4 as segments have it (ISO/IEC 14496-12): fragments while a file grows, and an index once it is complete."""

from recorder.mp4.file import Mp4File
from recorder.mp4.head import Head

__all__ = ["Head", "Mp4File"]
