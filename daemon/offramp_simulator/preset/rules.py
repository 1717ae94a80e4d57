"""What the services of the presets are said to take and to refuse, written down a second time.

Apart from what Offramp knows of them, so that a wrong figure there is found here.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from offramp_simulator.service import signatures
from offramp_simulator.service.request_view import JsonObject, RequestView, blocks_of
from offramp_simulator.zai import strictness as zai_strictness
from offramp_simulator.zai.models import MODELS as GLM
from offramp_simulator.zai.models import ServedModel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

KeyHeader = Literal["x-api-key", "authorization", "none"]

_OLD_FORM = (
    "fields",
    "thinking-fields",
    "cache-control-fields",
    "tool-fields",
    "tool-choice-fields",
    "message-fields",
    "block-fields",
    "block-types",
    "redacted-thinking",
    "server-tools",
    "role-system",
    "tool-inputs",
)
"""Refusals of all that is newer than the first form of the protocol, by names of `zai.strictness`.
They are told of Kimi, DeepSeek and Bailian; that the others share them is a guess."""
_BYTES_A_TOKEN = 8
_TEXT = ServedModel(max_output_tokens=32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetError:
    """An error in the service's own words; `name` is the rule that was broken."""

    name: str
    status: int = 400
    kind: str = "invalid_request_error"
    code: str | None = None
    message: str = "invalid request"

    def body(self) -> JsonObject:
        """The error in Anthropic's form."""
        error: JsonObject = {"type": self.kind, "message": self.message}
        if self.code is not None:
            error["code"] = self.code
        return {"type": "error", "error": error}


def _unsigned(_thinking: str) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetRules:
    """One service: where it is, whom it lets in, which models it has."""

    name: str
    prefix: str = ""
    key_header: KeyHeader = "x-api-key"
    models: Mapping[str, ServedModel] = field(default_factory=dict)
    """By lower-case name. Empty: any model, with the limits of `any_model`."""
    any_model: ServedModel = _TEXT
    maps_claude_names: str | None = None
    """The model that serves any of Claude's names; None: they are unknown."""
    wants_thinking: bool = False
    """With thinking on, each call in the history has to have thinking before it."""
    takes_temperature_0: bool = True
    sign: Callable[[str], str] = _unsigned
    bad_key: PresetError = PresetError(
        name="key", status=401, kind="authentication_error", message="Invalid API key"
    )
    out_of_money: PresetError = PresetError(
        name="account", status=402, kind="billing_error", message="Insufficient Balance"
    )

    def model_of(self, asked: str) -> tuple[str, ServedModel] | None:
        """Find the model that serves `asked`; None for a name that is not known."""
        name = asked.lower()
        if not self.models:
            return asked, self.any_model
        if name.startswith("claude") and self.maps_claude_names is not None:
            name = self.maps_claude_names
        return (name, self.models[name]) if name in self.models else None

    def refusals(self, request: RequestView) -> Iterator[PresetError]:
        """Everything that it refuses of a request."""
        found = self.model_of(request.model)
        if found is None:
            yield PresetError(
                name="models", code="model_not_found", message=f"Model {request.model} not found"
            )
            return
        model = found[1]
        for name in _OLD_FORM:
            if next(zai_strictness.CHECKS[name](request), None) is not None:
                yield PresetError(name=name, message=f"{name}: not supported")
        yield from self._limits(request, model)
        yield from self._thinking(request, model)
        if request.body.get("temperature") == 0 and not self.takes_temperature_0:
            yield PresetError(name="temperature", code="2013", message="invalid temperature")

    def _limits(self, request: RequestView, model: ServedModel) -> Iterator[PresetError]:
        if len(request.raw) > model.context_tokens * _BYTES_A_TOKEN:
            yield PresetError(name="context", message="prompt exceeds the context length")
        asked = request.body.get("max_tokens")
        if isinstance(asked, int) and asked > model.max_output_tokens:
            yield PresetError(name="output", message=f"max_tokens > {model.max_output_tokens}")
        config = request.body.get("output_config")
        effort = config.get("effort") if isinstance(config, dict) else None
        if effort is not None and effort not in model.efforts:
            yield PresetError(name="efforts", message=f"effort {effort} is not supported")
        for kind, is_taken in (("image", model.images), ("document", model.documents)):
            if not is_taken and any(block.get("type") == kind for block in all_blocks(request)):
                yield PresetError(name=f"{kind}s", message=f"{kind} is not supported")

    def _thinking(self, request: RequestView, model: ServedModel) -> Iterator[PresetError]:
        thinking = request.body.get("thinking")
        is_off = isinstance(thinking, dict) and thinking.get("type") == "disabled"
        if is_off and model.always_thinks:
            yield PresetError(name="thinking-disabled", message="thinking can't be disabled")
        for message in request.messages:
            has_thought = False
            for block in blocks_of(message):
                if block.get("type") == "thinking":
                    has_thought = True
                    if not self._is_own(block):
                        yield PresetError(name="foreign-thinking", message="invalid signature")
                is_call = block.get("type") == "tool_use"
                if is_call and self.wants_thinking and not is_off and not has_thought:
                    yield PresetError(
                        name="missing-thinking",
                        message="The `content[].thinking` in the thinking mode must be passed back",
                    )

    def _is_own(self, block: JsonObject) -> bool:
        return block.get("signature") == self.sign(str(block.get("thinking", "")))


def all_blocks(request: RequestView) -> Iterator[JsonObject]:
    """All blocks of all messages, those within tool results included."""
    for message in request.messages:
        for block in blocks_of(message):
            yield block
            if block.get("type") == "tool_result":
                yield from blocks_of(block)


def deepseek_signature(thinking: str) -> str:
    """A UUID, as DeepSeek signs; made from the text, so that nothing has to be kept."""
    return str(uuid.UUID(bytes=hashlib.sha256(thinking.encode()).digest()[:16]))


def _hex_signature(thinking: str) -> str:
    """A form of no service that is known, for those of which none is."""
    return hashlib.sha256(thinking.encode()).hexdigest()


_KIMI = ServedModel(context_tokens=262_144, max_output_tokens=262_144, images=True)
_QWEN = {
    "qwen3.7-max": ServedModel(context_tokens=991_000, max_output_tokens=32_000),
    "qwen3.7-plus": _TEXT,
    "qwen3.6-flash": _TEXT,
    "qwen3-coder-plus": _TEXT,
}

PRESETS: Mapping[str, PresetRules] = {
    rules.name: rules
    for rules in (
        PresetRules(
            name="bigmodel",
            prefix="/api/anthropic",
            models=GLM,
            maps_claude_names="glm-4.7",
            sign=signatures.zai_signature,
            out_of_money=PresetError(name="account", status=429, code="1113", message="Recharge."),
        ),
        PresetRules(
            name="kimi",
            prefix="/anthropic",
            key_header="authorization",
            models={"kimi-k2.6": _KIMI},
            wants_thinking=True,
            out_of_money=PresetError(
                name="account", status=429, kind="exceeded_current_quota_error", message="Top up"
            ),
        ),
        PresetRules(
            name="deepseek",
            prefix="/anthropic",
            models={
                "deepseek-flash": ServedModel(
                    context_tokens=1_000_000, max_output_tokens=384_000, images=True
                ),
                "deepseek-v4-pro": ServedModel(context_tokens=1_000_000, max_output_tokens=384_000),
            },
            maps_claude_names="deepseek-flash",
            wants_thinking=True,
            sign=deepseek_signature,
        ),
        PresetRules(
            name="minimax",
            prefix="/anthropic",
            models={
                "minimax-m3": ServedModel(
                    context_tokens=500_000, max_output_tokens=32_000, images=True
                ),
                "minimax-m2.7": ServedModel(context_tokens=204_800, max_output_tokens=32_000),
            },
            takes_temperature_0=False,
            sign=_hex_signature,
            out_of_money=PresetError(
                name="account", status=200, code="1008", message="insufficient balance"
            ),
        ),
        PresetRules(name="qwen", prefix="/apps/anthropic", models=_QWEN, sign=_hex_signature),
        PresetRules(name="qwen-china", prefix="/apps/anthropic", models=_QWEN, sign=_hex_signature),
        PresetRules(name="openrouter", prefix="/api", key_header="authorization"),
        PresetRules(name="lmstudio", key_header="none"),
        PresetRules(name="ollama", key_header="none"),
        PresetRules(name="llamacpp", key_header="none"),
    )
}
