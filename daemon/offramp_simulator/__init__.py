"""An embedded stand-in for Anthropic and Z.ai, for the demo, the tests and the benchmarks.

It speaks as both services do on the wire, down to their errors, and refuses what they refuse, so
that a proxy which forwards something wrong finds out here. It never calls anything itself.

    async with Simulator.start() as sim:
        sim.anthropic_url, sim.zai_url   # base URLs, on free ports
        sim.requests                     # all that arrived: raw path, raw headers, body bytes
        sim.leaks                        # credentials that arrived where they must not
        sim.refusals                     # what requests were refused for, errors on demand aside
        sim.script("zai", ["zai=1308"])  # what the next POSTs to /v1/messages meet
    sim.zai.at_once = 2              # more than so many messages at a time meet zai=1302

Each refusal has a name, in `anthropic.rules` and `zai.strictness`, and is on unless it is left out
of `Simulator.start(anthropic_refuses=…, zai_refuses=…)`; docs/simulator.md lists them.

What an answer is like is up to the last user message. `use the tool NAME with {json}` makes the
model call that tool (if it is offered), several times over if the phrase is repeated, one a round;
then it finishes with a text. Everything else is a fault: a `NAME` or `NAME=VALUE`, written into
the text as `[[sim:NAME=VALUE]]`, sent as a header `x-sim-fault: NAME=VALUE` (one a line, several
lines allowed), or queued with `script`. Faults add up. A name that does not exist is answered with
a 400 that says so.

Instead of an answer
    status=CODE         an error of that status in the service's shape (429 without quota headers)
    quota=CLAIM         Anthropic: 429 with unified headers that reject CLAIM (five_hour, say)
    zai=CODE            Z.ai: the error of that code with its status; zai=CODE/typed in the
                        Anthropic-like shape
    error-200           an error as JSON under HTTP 200
    signature-400       400 for a signature, once per text: the same text passes the second time
    expected-400        400 "Expected `thinking`…", once per text
    modified-400        400 "…cannot be modified", once per text
    drop                the connection is closed before an answer begins
    empty               200 and a stream that ends before its first event

In mid-answer (JSON answers are cut as well)
    cut, cut=N          the connection closes half-way, or after N events
    reset, reset=N      the same as a TCP reset
    cut-clean           the body ends cleanly half-way, without message_stop
    error-event         half-way an `error` event, then a clean end

Its pace, its coding, its pieces
    first-byte=S        S seconds before the answer's head
    slow=S              S seconds before each event
    silence=S           S seconds once, half-way
    gzip deflate br zstd   that content-encoding, if the client accepts it
    events=N            N text deltas
    chunk=N             the body in chunks of N bytes, whatever they split
    crlf                lines that end in CRLF
    noise               comments, unknown events and data that spans lines

What it holds
    text=TEXT           that text
    tool, tool=NAME {json}   a tool call (without a name: the first tool offered)
    parallel            all tool calls asked for in one round
    redacted            a redacted_thinking block before the others (Anthropic)
    no-thinking         no thinking block, although it was asked for
    unsigned            Z.ai: thinking with an empty signature; unsigned=missing: with none
    odd-input=KIND      Z.ai: calls whose input is an array, a string or null; odd-input is an array
    leaked-name         Z.ai: calls of names that end in a template's token
    odd-ids, same-ids   Z.ai: calls with ids such as functions.Bash:0, or all with the same id
    server-tool         a server tool's call and its result (ids as the service makes them)
    model=NAME          that name as the answer's model
    count=N             N as count_tokens' answer
    unified=KEY:VALUE   Anthropic: the header anthropic-ratelimit-unified-KEY with that VALUE,
                        whatever it is; without a VALUE, not at all
    quota-page=SHAPE    Z.ai's quota page (queue it with `script` for QUOTA_PATH): one of
                        `zai.limits.PAGES`, such as html, null, huge, error, odd
"""

from __future__ import annotations

from offramp_simulator.anthropic.limits import UnifiedQuota
from offramp_simulator.anthropic.service import anthropic_app
from offramp_simulator.server import Simulator
from offramp_simulator.service.faults import UnknownFaultError
from offramp_simulator.service.received import Journal, ReceivedRequest
from offramp_simulator.zai.limits import QUOTA_PATH, ZaiQuota
from offramp_simulator.zai.service import zai_app

__all__ = [
    "QUOTA_PATH",
    "Journal",
    "ReceivedRequest",
    "Simulator",
    "UnifiedQuota",
    "UnknownFaultError",
    "ZaiQuota",
    "anthropic_app",
    "zai_app",
]
