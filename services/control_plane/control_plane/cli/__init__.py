"""The command `control-plane`: running the service, and what an administrator does on its machine."""

import typer

from control_plane.cli import access, footage, service

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks show local variables, and those hold passwords.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="camfleet's control plane. Settings come from the environment or from a file .env in the working directory; "
    "deploy/control-plane.env.template explains each.",
)

# In the order in which `--help` shows them.
app.command()(service.serve)
app.command()(service.work)
app.command()(service.migrate)
app.command()(access.create_operator)
app.command()(access.create_api_key)
app.command()(access.revoke_api_key)
app.command()(access.create_client)
app.command()(service.create_secret_key)
app.command()(footage.rebuild_index)
app.command()(footage.moved_store)
app.command(name="drill")(footage.restore_drill)
app.command()(footage.export)
app.command()(footage.verify)
app.command()(service.openapi)
