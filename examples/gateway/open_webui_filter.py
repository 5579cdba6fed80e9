"""
title: vibe-router
description: Sends each chat to a model on the device or in the cloud.
requirements: vibe-router
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from vibe_router import Router, Target


class Filter:
    """A filter function of Open WebUI, for a model that both names below replace."""

    class Valves(BaseModel):
        """The settings that Open WebUI shows."""

        device_model: str = "llama3.2:latest"
        cloud_model: str = "gpt-5-mini"
        profile: str | None = None

    def __init__(self) -> None:
        self.valves = self.Valves()
        self._router = Router.load()

    async def inlet(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the request with the model of the side that its conversation goes to."""
        decided = await self._router.aroute_chat(
            body["messages"], profile=self.valves.profile, timeout=0.25, fallback=Target.DEVICE, tools=body.get("tools")
        )
        names = {Target.DEVICE: self.valves.device_model, Target.CLOUD: self.valves.cloud_model}
        body["model"] = names[decided.target]
        return body
