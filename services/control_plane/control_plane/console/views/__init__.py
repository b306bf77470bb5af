"""One module for each thing that the console lists."""
