"""The official Python SDK's client at a vboxmcp server: what a person and an agent would do, and what came of it, as JSON.

    drive.py MODE URL                 over HTTP; VBOXMCP_DRIVE_TOKEN is the bearer token
    drive.py MODE PROGRAM ARGUMENT... over standard input and output of a server that is started

MODE is one of the client's: `auto` (the newest revision), or `legacy` (with a handshake). The server's root has a manifest `lab.yaml` of a stack `agents`, and its configuration lets this client
apply everything. Whatever is not as it should be raises, so that this program fails.
"""

import asyncio
import json
import os
import sys

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult, Implementation

DECLARED = {"paths": ["lab.yaml"]}


def server(words):
    """What a client connects to: once for each client."""
    if not words[0].startswith("http://"):
        return StdioServerParameters(command=words[0], args=words[1:], env=dict(os.environ))
    token = {"Authorization": f"Bearer {os.environ['VBOXMCP_DRIVE_TOKEN']}"}
    # The client's own limit of 5 seconds is shorter than a step of VirtualBox may take.
    return streamable_http_client(words[0], http_client=httpx2.AsyncClient(headers=token, timeout=300))


def said(result):
    return "\n".join(block.text for block in result.content if block.type == "text")


def value(result):
    if result.is_error:
        raise AssertionError(said(result))
    return result.structured_content


class Person:
    """Who sits at the client: what was asked, and what is answered."""

    def __init__(self):
        self.asked = []
        self.answer = ElicitResult(action="decline")

    async def __call__(self, _context, question):
        self.asked.append(question)
        return self.answer


async def drive(mode, words):
    report = {}
    me = Implementation(name="python-sdk", version="1.0")

    # Without anybody to ask, there is no consent.
    async with Client(server(words), mode=mode, client_info=me) as client:
        report["protocol"] = client.protocol_version
        report["instructions"] = client.instructions
        report["tools"] = [tool.name for tool in (await client.list_tools()).tools]
        plan = value(await client.call_tool("plan", DECLARED))
        refused = await client.call_tool("apply", {"hash": plan["hash"]})
        report["unasked"] = [refused.is_error, said(refused)]

    person, progress = Person(), []

    async def follow(done, total, message):
        progress.append([done, total, message])

    async with Client(server(words), mode=mode, client_info=me, elicitation_callback=person) as client:
        plan = value(await client.call_tool("plan", DECLARED))
        report["hash"] = plan["hash"]
        declined = await client.call_tool("apply", {"hash": plan["hash"]})
        report["declined"] = [declined.is_error, said(declined)]
        report["before"] = value(await client.call_tool("list", {}))["total"]

        person.answer = ElicitResult(action="accept", content={"approve": True})
        applied = await client.call_tool("apply", {"hash": plan["hash"]}, progress_callback=follow)
        report["applied"] = value(applied)
        report["asked"] = [question.message for question in person.asked]
        report["progress"] = progress
        report["pending"] = value(await client.call_tool("plan", DECLARED)).get("hash")
        report["machines"] = value(await client.call_tool("list", {}))["machines"]
        read = await client.read_resource("vbox://machine/node-1")
        report["machine"] = json.loads(read.contents[0].text)
        again = await client.call_tool("apply", {"hash": plan["hash"]})
        report["again"] = [again.is_error, said(again)]
        if not progress or any(later[0] <= former[0] for former, later in zip(progress, progress[1:])):
            raise AssertionError(f"progress does not go up: {progress}")
    return report


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(sys.argv[1], sys.argv[2:]))))
