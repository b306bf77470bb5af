"""An RTSP client for plain cameras: H.264 or H.265 with AAC or G.711 in one TCP connection, for little CPU.

`session.Session.open` connects, asks and starts to play, with a deadline; from there on nothing blocks: `feed` takes
whatever the socket gave and returns access units, `keep_alive` sends what is due. Whatever it does not know raises
`Unsuited` before anything plays: libav tries then. `decoder_configuration` makes of parameter sets what an MP4 track
says to decoders, so that access units go into it as they are.
"""
