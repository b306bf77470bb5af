"""RTSP cameras that can misbehave on command."""

from camera_simulator.broadcast import SentUnit
from camera_simulator.cameras import Camera, Fault
from camera_simulator.media import AccessUnit, Kind, Media, Track
from camera_simulator.server import CameraSimulator
from camera_simulator.specs import AudioCodec, Authentication, CameraSpec, Clock, VideoCodec

__all__ = [
    "AccessUnit",
    "AudioCodec",
    "Authentication",
    "Camera",
    "CameraSimulator",
    "CameraSpec",
    "Clock",
    "Fault",
    "Kind",
    "Media",
    "SentUnit",
    "Track",
    "VideoCodec",
]
