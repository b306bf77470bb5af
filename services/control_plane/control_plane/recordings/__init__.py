"""Recordings, their segments and the gaps between them: how recorders' reports of them are taken in."""
