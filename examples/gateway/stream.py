"""Stream an answer through the gateway, and say where it came from."""

from __future__ import annotations

import sys

from openai import OpenAI


def main(prompt: str, base_url: str = "http://127.0.0.1:8484/v1") -> None:
    """Print the answer as it comes, then the decision."""
    with OpenAI(base_url=base_url, api_key="unused") as client:
        raw = client.chat.completions.with_raw_response.create(
            model="auto", stream=True, messages=[{"role": "user", "content": prompt}]
        )
        for chunk in raw.parse():
            if chunk.choices:
                sys.stdout.write(chunk.choices[0].delta.content or "")
        sys.stdout.write(f"\n[{raw.headers['x-vibe-side']}, {raw.headers['x-vibe-reason']}]\n")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["what is 2+2?"])
