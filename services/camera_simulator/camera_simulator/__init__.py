"""RTSP cameras that can misbehave on command."""
