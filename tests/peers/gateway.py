"""Asks a node with the official `openai` and `anthropic` packages, unmodified: docs/gateway.md shows the same calls.

    python gateway.py NODE_URL ROOT

NODE_URL ends in /v1; ROOT is the root of the model `tiny-chat`. Prints one JSON document.
"""

import json
import sys

import anthropic
import openai

url, root = sys.argv[1], sys.argv[2]
report = {"versions": [openai.__version__, anthropic.__version__]}
TOOLS = [{"type": "function", "function": {"name": "answer", "description": "Says yes or no.", "parameters": {
    "type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}}}]
messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who are you?"}]

# OpenAI: the address ends in /v1; the key is not looked at.
client = openai.OpenAI(base_url=url, api_key="none", max_retries=0)

report["models"] = [model.id for model in client.models.list()]
report["retrieved"] = client.models.retrieve("tiny-chat").id

chat = client.chat.completions.create(model="tiny-chat", messages=messages, max_tokens=24, temperature=0.8, seed=7)
report["chat"] = {
    "id": chat.id,
    "text": chat.choices[0].message.content,
    "finish": chat.choices[0].finish_reason,
    "fingerprint": chat.system_fingerprint,
    "prompt_tokens": chat.usage.prompt_tokens,
    "completion_tokens": chat.usage.completion_tokens,
    "noema": chat.model_extra["noema"],
}
again = client.chat.completions.create(model=root, messages=messages, max_tokens=24, temperature=0.8, seed=7)
report["again"] = {"text": again.choices[0].message.content, "noema": again.model_extra["noema"]}

pieces, last = [], None
with client.chat.completions.create(
    model="tiny-chat", messages=messages, max_tokens=24, temperature=0.8, seed=7, stream=True,
    stream_options={"include_usage": True},
) as stream:
    for chunk in stream:
        if chunk.choices:
            pieces.append(chunk.choices[0].delta.content or "")
            last = chunk
        else:
            report["stream_usage"] = chunk.usage.total_tokens
report["stream"] = {"text": "".join(pieces), "finish": last.choices[0].finish_reason, "noema": last.model_extra["noema"]}

raw = client.completions.with_raw_response.create(model="tiny-chat", prompt="Once upon a time", max_tokens=8)
completion = raw.parse()
report["completion"] = {
    "text": completion.choices[0].text,
    "header": raw.headers["x-noema-job"],
    "noema": completion.model_extra["noema"],
}

def refusal(ask):
    try:
        ask()
    except (openai.APIStatusError, anthropic.APIStatusError) as error:
        return {"type": type(error).__name__, "status": error.status_code, "code": getattr(error, "code", None),
                "message": str(error)}
    return None


report["errors"] = {
    "model": refusal(lambda: client.chat.completions.create(model="gpt-4", messages=messages)),
    "context": refusal(lambda: client.completions.create(model="tiny-chat", prompt="x" * 400)),
    "deadline": refusal(lambda: client.chat.completions.create(
        model="tiny-chat", messages=messages, extra_body={"noema": {"max_units": 1}})),
    "auto_tool": refusal(lambda: client.chat.completions.create(model="tiny-chat", messages=messages, tools=TOOLS)),
    "embed": refusal(lambda: client.embeddings.create(model="tiny-chat", input="a text")),
    "image": refusal(lambda: client.images.generate(model="tiny-chat", prompt="a cat", size="64x64")),
}

settled = client.chat.completions.create(
    model="tiny-chat", messages=messages, max_tokens=24, temperature=0.8, seed=7, extra_body={"noema": {"settle": True}})
report["settled"] = settled.model_extra["noema"]

# The model's word is nothing, its form is forced: a small random model calls a function with sound arguments.
forced = {"type": "function", "function": {"name": "answer"}}
called = client.chat.completions.create(
    model="tiny-chat", messages=messages, tools=TOOLS, tool_choice=forced, max_tokens=60, temperature=0)
call = called.choices[0].message.tool_calls[0]
report["call"] = {"name": call.function.name, "arguments": json.loads(call.function.arguments), "id": call.id}
arguments = ""
for chunk in client.chat.completions.create(
    model="tiny-chat", messages=messages, tools=TOOLS, tool_choice=forced, max_tokens=60, temperature=0, stream=True):
    for piece in chunk.choices[0].delta.tool_calls or []:
        arguments += piece.function.arguments or ""
report["call_stream"] = json.loads(arguments)
schema = TOOLS[0]["function"]["parameters"]
shaped = client.chat.completions.create(
    model="tiny-chat", messages=messages, max_tokens=60, temperature=0,
    response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}})
report["shaped"] = json.loads(shaped.choices[0].message.content)

# Anthropic: the address is that of the node, without /v1.
claude = anthropic.Anthropic(base_url=url.removesuffix("/v1"), api_key="none", max_retries=0)

message = claude.messages.create(
    model="tiny-chat", system="Be brief.", messages=messages[1:], max_tokens=24, extra_body={"temperature": 0.8, "seed": 7})
report["message"] = {
    "text": message.content[0].text,
    "stop": message.stop_reason,
    "input_tokens": message.usage.input_tokens,
    "output_tokens": message.usage.output_tokens,
    "noema": message.model_extra["noema"],
}
with claude.messages.stream(
    model="tiny-chat", system="Be brief.", messages=messages[1:], max_tokens=24, extra_body={"temperature": 0.8, "seed": 7},
) as stream:
    text = "".join(stream.text_stream)
    final = stream.get_final_message()
report["message_stream"] = {
    "text": text, "stop": final.stop_reason, "input_tokens": final.usage.input_tokens,
    "output_tokens": final.usage.output_tokens,
}
claude_tools = [{"name": "answer", "description": "Says yes or no.", "input_schema": schema}]
used = claude.messages.create(
    model="tiny-chat", system="Be brief.", messages=messages[1:], max_tokens=60, tools=claude_tools,
    tool_choice={"type": "tool", "name": "answer"}, extra_body={"temperature": 0})
report["use"] = {"name": used.content[0].name, "input": used.content[0].input, "stop": used.stop_reason}
with claude.messages.stream(
    model="tiny-chat", system="Be brief.", messages=messages[1:], max_tokens=60, tools=claude_tools,
    tool_choice={"type": "tool", "name": "answer"}, extra_body={"temperature": 0},
) as stream:
    report["use_stream"] = stream.get_final_message().content[0].input
report["claude_models"] = [model.id for model in claude.models.list()]
report["errors"]["claude_model"] = refusal(
    lambda: claude.messages.create(model="claude", messages=messages[1:], max_tokens=1))

print(json.dumps(report))
