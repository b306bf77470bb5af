"""What the sizes of a stream's frames say of the scene, without decoding any.

`tally` counts as packets come, `rules` decide by the camera's own recent past, `watch` does so beside the cameras'
threads and keeps what was found in the spool.
"""
