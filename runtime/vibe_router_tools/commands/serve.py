"""`vibe-router serve`: a local gateway that any OpenAI client can use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vibe_router.errors import UsageError
from vibe_router.extras import require_extra
from vibe_router_tools.console.output import print_line

if TYPE_CHECKING:
    from vibe_router_gateway.config.settings import Settings

_MODULES = ("aiohttp", "prometheus_client")


def serve(
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="TOML file; default: gateway.toml in the user's settings.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="URL of the local server, such as http://127.0.0.1:11434/v1.")
    ] = None,
    device_model: Annotated[str | None, typer.Option(help="Its model; default: the first that it lists.")] = None,
    cloud: Annotated[str | None, typer.Option(help="URL of the cloud, such as https://api.openai.com/v1.")] = None,
    cloud_model: Annotated[str | None, typer.Option(help="Its model.")] = None,
    cloud_key_env: Annotated[str | None, typer.Option(help="The variable that holds its key.")] = None,
    profile: Annotated[str | None, typer.Option(help="The profile of the model auto.")] = None,
    bundle: Annotated[str | None, typer.Option("--bundle", "-b", help="Folder or hub id org/name.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; others than loopback need --token.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8484.")] = None,
    token: Annotated[
        str | None, typer.Option(help="Clients must give it as their API key.", envvar="VIBE_ROUTER_TOKEN")
    ] = None,
    log: Annotated[Path | None, typer.Option(help="File of the decision log.")] = None,
    no_log: Annotated[bool, typer.Option("--no-log", help="Keep no decision log.")] = False,
    init: Annotated[bool, typer.Option("--init", help="Write a commented file of settings, and end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Try both sides, say what they are, and end.")] = False,
) -> None:
    """Answer OpenAI's API on this machine: requests for the model auto go to the device or to the cloud.

    Keys come from the environment or the keychain. SIGHUP reads settings and bundle again.
    """
    require_extra("the gateway", extra="serve", modules=_MODULES)
    from vibe_router_gateway.config.reading import load_settings
    from vibe_router_gateway.places import default_settings_file

    options = _options(
        device={"url": device, "model": device_model},
        cloud={"url": cloud, "model": cloud_model, "key_env": cloud_key_env},
        router={"profile": profile, "bundle": bundle},
        server={"host": host, "port": port},
        log={"path": None if log is None else str(log), "enabled": False if no_log else None},
    )
    if no_log and log is not None:
        raise UsageError("--no-log keeps no log, and --log names its file", hint="leave one of them out")
    if init:
        from vibe_router_gateway.config.template import write_template

        if check or any(options.values()):
            raise UsageError("--init writes the same file for all", hint="give it --config alone, and edit the file")
        print_line(f"wrote {write_template(config or default_settings_file())}")
        return
    file = config if config is not None or not default_settings_file().is_file() else default_settings_file()

    def read() -> Settings:
        return load_settings(file, options=options, token=token)

    settings = read()
    if check:
        _check(settings)
        return
    _serve(settings, read)


def _options(**sections: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the options that were given."""
    return {
        name: {key: value for key, value in section.items() if value is not None} for name, section in sections.items()
    }


def _serve(settings: Settings, read: Any) -> None:
    import asyncio

    from vibe_router.bundle.identity import model_identity
    from vibe_router_gateway.scoring import Sampling
    from vibe_router_gateway.server import serve as run
    from vibe_router_tools.calibration.sample import is_for_checking

    def ready(started: Settings, port: int) -> None:
        sides = ", ".join(f"{upstream.side} {upstream.settings.url}" for upstream in started.upstreams)
        host = f"[{started.server.host}]" if ":" in started.server.host else started.server.host
        print_line(f"vibe-router serves http://{host}:{port}/v1 ({sides})", err=True)
        if not started.log.enabled:
            print_line("no decision log", err=True)

    asyncio.run(run(settings, read_settings=read, ready=ready, sampling=Sampling(model_identity, is_for_checking)))


def _check(settings: Settings) -> None:
    import asyncio

    from vibe_router_gateway.upstream.probe import probe
    from vibe_router_tools.console.output import print_table

    found = asyncio.run(probe(settings))
    print_table("Sides", ("side", "url", "key", "models", "state"), [report.row() for report in found])
    if not any(report.usable for report in found):
        raise typer.Exit(1)
