"""Where segments go: a bucket or a folder, behind one small interface."""
