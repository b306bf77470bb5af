"""`python -m demo`, which is what `make demo` runs."""

import signal

import typer

if __name__ == "__main__":
    # Loading everything takes a second, in which Ctrl-C ends the program as it ends any other, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from demo.main import main

    typer.run(main)
