"""Commands to recorders: asked, told, answered, forgotten."""
