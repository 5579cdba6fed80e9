"""A local gateway that speaks OpenAI's protocol and routes each request to the device or to the cloud.

`config` reads the settings, `plan` decides, `upstream` asks the two sides, `endpoints` answer clients, `log` remembers
decisions. The command `vibe-router serve` runs it.
"""
