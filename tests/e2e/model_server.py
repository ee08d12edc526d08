"""model_server - a scripted model provider that enforces the providers' rules.

SPDX-License-Identifier: Apache-2.0

Three wire dialects on one port: POST /v1/chat/completions and /v1/responses (OpenAI), /v1/messages
(Anthropic).  What it answers comes from a scenario; what it *accepts* are the rules of the real
services: where they send a 400, it sends a 400 that says which rule was broken.

    python3 model_server.py SCENARIO.json [LOG.jsonl]      prints "port N", serves until stdin ends

Scenario: {"key": "test-key", "models": {NAME: {"steps": [STEP, ...], "rejects": [PARAMETER, ...]}}}
The step is chosen by the number of assistant turns in the request, so that any number of
conversations can run at once; the last step repeats.  A STEP is an object of

    calls    [{"name", "args"}]       tool calls (args: an object, or a string sent as it is)
    text     str                      text beside the calls, or the answer
    answer   any                      the answer, sent as JSON text
    thinking bool                     opaque reasoning, which must come back byte for byte
    stop     "length" | "refusal"     how the reply ends
    faults   [FAULT, ...]             sent once each before the reply: {"status", "headers", "body"},
                                      {"cut": N} (connection closed after N bytes), {"hang": true}
    body     str                      sent with status 200 instead of any reply: garbage
    usage    {"input", "cached", "output"}

LOG gets one JSON object a request: {"path", "status", "step", "body", "headers"}.
"""
import hashlib
import http.server
import json
import sys
import threading

CHAT_PARAMETERS = set("""model messages tools tool_choice parallel_tool_calls response_format max_tokens
    max_completion_tokens reasoning_effort temperature top_p seed stop n prompt_cache_key service_tier store
    metadata stream user presence_penalty frequency_penalty""".split())
RESPONSES_PARAMETERS = set("""model input instructions tools tool_choice parallel_tool_calls max_output_tokens
    reasoning text store include prompt_cache_key temperature top_p metadata stream service_tier truncation
    previous_response_id user""".split())
ANTHROPIC_PARAMETERS = set("""model messages system tools tool_choice max_tokens output_config thinking
    temperature top_p top_k stop_sequences metadata stream cache_control service_tier""".split())
SCHEMA_UNSUPPORTED = set("minimum maximum minLength maxLength pattern multipleOf minItems maxItems format".split())


class Refused(Exception):
    """The request breaks a rule of the provider: a 400 (or status) with this message."""

    def __init__(self, message, status=400, param=None):
        super().__init__(message)
        self.status, self.param = status, param


def need(condition, message, **more):
    if not condition:
        raise Refused(message, **more)


def check_known(body, known):
    for key in body:
        need(key in known, f"Unrecognized request argument supplied: {key}", param=key)


def check_schema(schema, where, plain_only=False):
    """Strict mode: objects closed, all properties required."""
    need(isinstance(schema, dict), f"{where}: schema must be an object")
    if schema.get("type") == "object" or "properties" in schema:
        need(schema.get("additionalProperties") is False,
             f"Invalid schema for {where}: 'additionalProperties' is required to be supplied and to be false.")
        need(set(schema.get("required", [])) == set(schema.get("properties", {})),
             f"Invalid schema for {where}: 'required' must list every key in properties.")
    for key in SCHEMA_UNSUPPORTED & set(schema) if plain_only else ():
        raise Refused(f"{where}: For '{schema.get('type')}' type, property '{key}' is not supported")
    for name, part in schema.get("properties", {}).items():
        check_schema(part, f"{where}.{name}", plain_only)
    for part in [schema.get("items")] if isinstance(schema.get("items"), dict) else []:
        check_schema(part, f"{where}[]", plain_only)
    for part in schema.get("anyOf", []):
        check_schema(part, where, plain_only)


def check_tool(name, parameters, description):
    need(isinstance(name, str) and 0 < len(name) <= 64 and name.replace("_", "a").replace("-", "a").isalnum(),
         f"Invalid 'tools[].name': {name!r}")
    need(isinstance(parameters, dict) and parameters.get("type") == "object",
         f"Invalid schema for function '{name}': schema must have type 'object'")
    need(isinstance(description, str) and description, f"tool '{name}' has no description")


def signature(model, step):
    return hashlib.sha256(f"{model}/{step}".encode()).hexdigest()


def call_ids(step_number, step, prefix):
    return [f"{prefix}{step_number}{i:04d}abcd" for i in range(len(step.get("calls", [])))]


def args_text(call):
    return call["args"] if isinstance(call["args"], str) else json.dumps(call["args"])


def is_reasoning(model):
    return model.startswith(("o1", "o3", "o4", "gpt-5"))


class Chat:
    path = "/v1/chat/completions"

    @staticmethod
    def check(body, script):
        check_known(body, CHAT_PARAMETERS)
        model, messages, tools = body["model"], body.get("messages"), body.get("tools")
        need(isinstance(messages, list) and messages, "'messages' must be a non-empty list")
        for tool in tools or []:
            need(tool.get("type") == "function", "tools[].type must be 'function'")
            check_tool(tool["function"].get("name"), tool["function"].get("parameters"),
                       tool["function"].get("description"))
        need(tools is None or tools, "[] is too short - 'tools'")
        for key in ("tool_choice", "parallel_tool_calls"):
            need(key not in body or tools, f"'{key}' is only allowed when 'tools' are specified.", param=key)
        if is_reasoning(model):
            need("max_tokens" not in body, "Unsupported parameter: 'max_tokens' is not supported with this model. "
                 "Use 'max_completion_tokens' instead.", param="max_tokens")
            for key in ("temperature", "top_p"):
                need(key not in body, f"Unsupported value: '{key}' does not support this value with this model.",
                     param=key)
        if model.startswith(("gpt-5.4", "gpt-5.5", "gpt-5.6")) and tools:
            raise Refused("Function tools with reasoning_effort are not supported for this model in "
                          "/v1/chat/completions. Please use /v1/responses instead.")
        shape = body.get("response_format")
        if shape:
            need(shape.get("type") == "json_schema" and shape["json_schema"].get("name"),
                 "response_format: name and schema are required", param="response_format")
            need(len(shape["json_schema"]["name"]) <= 64, "response_format: name too long", param="response_format")
            if shape["json_schema"].get("strict"):
                check_schema(shape["json_schema"]["schema"], "response_format")
        return Chat.check_messages(messages)

    @staticmethod
    def check_messages(messages):
        turns, open_ids = [], []
        for i, m in enumerate(messages):
            role = m.get("role")
            need(role in ("system", "developer", "user", "assistant", "tool"), f"messages[{i}]: bad role {role!r}")
            if role == "tool":
                need(m.get("tool_call_id") in open_ids,
                     "messages with role 'tool' must be a response to a preceding message with 'tool_calls'.")
                open_ids.remove(m["tool_call_id"])
                need(isinstance(m.get("content"), (str, list)), f"messages[{i}]: content must be text")
                continue
            need(not open_ids, "An assistant message with 'tool_calls' must be followed by tool messages responding "
                 f"to each 'tool_call_id'. The following did not have response messages: {', '.join(open_ids)}")
            if role == "assistant":
                turns.append(m)
                open_ids = [c["id"] for c in m.get("tool_calls") or []]
                need(m.get("tool_calls") != [], "[] is too short - 'messages.tool_calls'")
                for c in m.get("tool_calls") or []:
                    need(c.get("type") == "function" and isinstance(c["function"].get("arguments"), str),
                         f"messages[{i}]: malformed tool call")
                need(m.get("content") is not None or open_ids, f"messages[{i}]: content may not be null")
            else:
                need(m.get("content"), f"messages[{i}]: empty content")
        need(not open_ids, "tool calls without tool messages: " + ", ".join(open_ids))
        return turns

    @staticmethod
    def check_turn(turn, number, step, model):
        if step.get("thinking"):
            need(turn.get("reasoning_content") == f"thinking about {number} " + signature(model, number),
                 "The reasoning_content in the thinking mode must be passed back to the API.")

    @staticmethod
    def reply(body, number, step):
        message = {"role": "assistant", "content": answer_text(step), "refusal": None}
        ids = call_ids(number, step, "call_")
        if ids:
            message["tool_calls"] = [
                {"id": i, "type": "function", "function": {"name": c["name"], "arguments": args_text(c)}}
                for i, c in zip(ids, step["calls"])]
        if step.get("thinking"):
            message["reasoning_content"] = f"thinking about {number} " + signature(body["model"], number)
        finish = "tool_calls" if ids else "stop"
        if step.get("stop") == "length":
            finish = "length"
        if step.get("stop") == "refusal":
            message.update(content=None, refusal="I cannot help with that.")
        u = usage(step)
        return {"id": f"chatcmpl-{number}", "object": "chat.completion", "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                "usage": {"prompt_tokens": u["input"], "completion_tokens": u["output"],
                          "total_tokens": u["input"] + u["output"],
                          "prompt_tokens_details": {"cached_tokens": u["cached"]}}}

    @staticmethod
    def error(status, message, param=None):
        return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}


class Responses:
    path = "/v1/responses"
    error = Chat.error

    @staticmethod
    def check(body, script):
        check_known(body, RESPONSES_PARAMETERS)
        items, tools = body.get("input"), body.get("tools")
        need(isinstance(items, list) and items, "'input' must be a non-empty list")
        for tool in tools or []:
            need(tool.get("type") == "function" and "function" not in tool,
                 "Missing required parameter: 'tools[0].name'.", param="tools[0].name")
            check_tool(tool.get("name"), tool.get("parameters"), tool.get("description"))
            if tool.get("strict"):
                check_schema(tool["parameters"], tool["name"])
        if is_reasoning(body["model"]):
            need("temperature" not in body, "Unsupported parameter: 'temperature' is not supported with this model.",
                 param="temperature")
        shape = body.get("text", {}).get("format")
        if shape:
            need(shape.get("type") == "json_schema" and shape.get("name"), "text.format: name is required")
            if shape.get("strict"):
                check_schema(shape["schema"], "text.format")
        if any(step.get("thinking") for step in script["steps"]):
            need(body.get("store") is False and "reasoning.encrypted_content" in body.get("include", []),
                 "stateless use needs store: false and include: ['reasoning.encrypted_content']")
        return Responses.check_items(items)

    @staticmethod
    def check_items(items):
        """Assistant turns: runs of items that are the model's own."""
        turns, current, open_ids = [], [], []
        for i, item in enumerate(items):
            kind = item.get("type", "message")
            own = kind in ("reasoning", "function_call") or (kind == "message" and item.get("role") == "assistant")
            if own:
                current.append(item)
                if kind == "function_call":
                    open_ids.append(item["call_id"])
                continue
            if current:
                turns.append(current)
                current = []
            if kind == "function_call_output":
                need(item.get("call_id") in open_ids,
                     f"No tool call found for function call output with call_id {item.get('call_id')}.")
                open_ids.remove(item["call_id"])
                need(isinstance(item.get("output"), (str, list)), f"input[{i}]: output must be text")
            else:
                need(item.get("role") in ("user", "system", "developer"), f"input[{i}]: bad item {kind!r}")
                need(not open_ids, f"No tool output found for function call {', '.join(open_ids)}.")
                need(item.get("content"), f"input[{i}]: empty content")
        need(not open_ids, f"No tool output found for function call {', '.join(open_ids)}.")
        return turns + ([current] if current else [])

    @staticmethod
    def reasoning(number, model):
        return {"type": "reasoning", "id": f"rs_{number}", "summary": [],
                "encrypted_content": signature(model, number)}

    @staticmethod
    def check_turn(turn, number, step, model):
        if step.get("thinking"):
            need(Responses.reasoning(number, model) in turn,
                 f"Item 'fc_{number}' of type 'function_call' was provided without its required 'reasoning' item: "
                 f"'rs_{number}'.")

    @staticmethod
    def reply(body, number, step):
        output = [Responses.reasoning(number, body["model"])] if step.get("thinking") else []
        for i, c in zip(call_ids(number, step, "call_"), step.get("calls", [])):
            output.append({"type": "function_call", "id": f"fc_{i}", "call_id": i, "name": c["name"],
                           "arguments": args_text(c), "status": "completed"})
        text = answer_text(step)
        if step.get("stop") == "refusal":
            output.append({"type": "message", "id": "msg", "role": "assistant", "status": "completed",
                           "content": [{"type": "refusal", "refusal": "I cannot help with that."}]})
        elif text is not None:
            output.append({"type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed",
                           "content": [{"type": "output_text", "text": text, "annotations": []}]})
        cut = step.get("stop") == "length"
        u = usage(step)
        return {"id": f"resp_{number}", "object": "response", "model": body["model"], "error": None,
                "status": "incomplete" if cut else "completed",
                "incomplete_details": {"reason": "max_output_tokens"} if cut else None, "output": output,
                "usage": {"input_tokens": u["input"], "output_tokens": u["output"],
                          "total_tokens": u["input"] + u["output"],
                          "input_tokens_details": {"cached_tokens": u["cached"]},
                          "output_tokens_details": {"reasoning_tokens": 1}}}


class Anthropic:
    path = "/v1/messages"

    @staticmethod
    def check(body, script):
        for key in body:
            need(key in ANTHROPIC_PARAMETERS, f"{key}: Extra inputs are not permitted", param=key)
        need(isinstance(body.get("max_tokens"), int) and body["max_tokens"] > 0, "max_tokens: Field required")
        for tool in body.get("tools", []):
            need(not set(tool) - {"name", "description", "input_schema", "cache_control", "strict", "type"},
                 f"tools: Extra inputs are not permitted: {sorted(tool)}")
            check_tool(tool.get("name"), tool.get("input_schema"), tool.get("description"))
        need("tool_choice" not in body or body.get("tools"), "tool_choice may only be specified while providing tools")
        model = body["model"]
        if any(part in model for part in ("opus-4-7", "opus-4-8", "opus-5", "sonnet-5", "fable-5")):
            for key in ("temperature", "top_p", "top_k"):
                need(key not in body, f"`{key}` is deprecated for this model.", param=key)
        shape = body.get("output_config", {}).get("format")
        if shape:
            need(shape.get("type") == "json_schema", "output_config.format.type must be json_schema")
            check_schema(shape["schema"], "output_config.format.schema", plain_only=True)
        for block in body["system"] if isinstance(body.get("system"), list) else []:
            need(block.get("type") == "text" and block.get("text"), "system: text content blocks must be non-empty")
        return Anthropic.check_messages(body.get("messages"))

    @staticmethod
    def blocks(message):
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        need(isinstance(blocks, list) and blocks, "messages: all messages must have non-empty content")
        for block in blocks:
            need(block.get("type") != "text" or block.get("text"), "messages: text content blocks must be non-empty")
        return blocks

    @staticmethod
    def check_messages(messages):
        need(isinstance(messages, list) and messages, "messages: Field required")
        need(messages[0].get("role") == "user", "messages: first message must use the \"user\" role")
        turns, open_ids, before = [], [], None
        for i, m in enumerate(messages):
            role, blocks = m.get("role"), Anthropic.blocks(m)
            need(role in ("user", "assistant") and role != before,
                 "messages: roles must alternate between \"user\" and \"assistant\"")
            before = role
            if role == "assistant":
                turns.append(blocks)
                open_ids = [b["id"] for b in blocks if b["type"] == "tool_use"]
                need(all(isinstance(b.get("input"), dict) for b in blocks if b["type"] == "tool_use"),
                     f"messages.{i}: tool_use.input: Input should be a valid dictionary")
                continue
            results = [b for b in blocks if b["type"] == "tool_result"]
            need(blocks[:len(results)] == results, f"messages.{i}: tool_result blocks must come first")
            need(sorted(b.get("tool_use_id") for b in results) == sorted(open_ids),
                 f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                 f"{', '.join(open_ids)}")
            open_ids = []
        need(not open_ids, "messages: the last assistant message has tool_use without tool_result")
        return turns

    @staticmethod
    def thinking(number, model):
        return {"type": "thinking", "thinking": f"Step {number}: caf\u00e9 \"quoted\"", "signature": signature(model, number)}

    @staticmethod
    def check_turn(turn, number, step, model):
        if step.get("thinking"):
            need(turn[0] == Anthropic.thinking(number, model),
                 f"messages: `thinking` blocks in the latest assistant message cannot be modified (turn {number})")

    @staticmethod
    def reply(body, number, step):
        content = [Anthropic.thinking(number, body["model"])] if step.get("thinking") else []
        text = answer_text(step)
        if text:
            content.append({"type": "text", "text": text})
        for i, c in zip(call_ids(number, step, "toolu_"), step.get("calls", [])):
            content.append({"type": "tool_use", "id": i, "name": c["name"], "input": c["args"]})
        stop = "tool_use" if step.get("calls") else "end_turn"
        stop = {"length": "max_tokens", "refusal": "refusal"}.get(step.get("stop"), stop)
        u = usage(step)
        return {"id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"],
                "content": content, "stop_reason": stop, "stop_sequence": None,
                "usage": {"input_tokens": u["input"] - u["cached"], "cache_creation_input_tokens": 0,
                          "cache_read_input_tokens": u["cached"], "output_tokens": u["output"]}}

    @staticmethod
    def error(status, message, param=None):
        kinds = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error",
                 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}
        return {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": message}}


def answer_text(step):
    if "answer" in step:
        return json.dumps(step["answer"])
    return step.get("text")


def usage(step):
    return {"input": 1000, "cached": 600, "output": 50, **step.get("usage", {})}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, scenario, log):
        super().__init__(("127.0.0.1", 0), Handler)
        self.scenario, self.log, self.lock, self.sent = scenario, log, threading.Lock(), {}
        self.stopped = threading.Event()

    def next_fault(self, key, step):
        with self.lock:
            n = self.sent.get(key, 0)
            self.sent[key] = n + 1
        faults = step.get("faults", [])
        return faults[n] if n < len(faults) else None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def send(self, status, body, headers=None, cut=None):
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(data)),
                            **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data if cut is None else data[:cut])
        self.wfile.flush()
        if cut is not None:
            self.close_connection = True

    def check_auth(self, dialect):
        key = self.server.scenario.get("key", "test-key")
        given = self.headers.get("x-api-key") if dialect is Anthropic else None
        given = given or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        need(given == key, "Incorrect API key provided", status=401)
        if dialect is Anthropic:
            need(self.headers.get("anthropic-version"), "anthropic-version: header is required")
        need((self.headers.get("content-type") or "").startswith("application/json"), "content-type must be JSON",
             status=415)

    def pick(self, dialect, body):
        script = self.server.scenario["models"].get(body.get("model"))
        need(script, f"The model `{body.get('model')}` does not exist", status=404)
        for name in script.get("rejects", []):
            part = body
            for key in name.split("."):
                part = part.get(key, {}) if isinstance(part, dict) else {}
            need(part == {}, f"Unsupported parameter: '{name}' is not supported with this model.", param=name)
        turns = dialect.check(body, script)
        for number, turn in enumerate(turns):
            dialect.check_turn(turn, number, script["steps"][min(number, len(script["steps"]) - 1)], body["model"])
        return len(turns), script["steps"][min(len(turns), len(script["steps"]) - 1)]

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        dialect = next((d for d in (Chat, Responses, Anthropic) if d.path == self.path), None)
        record = {"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "status": 200}
        try:
            if dialect is None:
                return self.send(404, {"error": {"message": f"no route {self.path}"}})
            body = json.loads(raw)
            record["body"] = body
            self.check_auth(dialect)
            number, step = self.pick(dialect, body)
            record["step"] = number
            self.answer(dialect, body, number, step, record)
        except Refused as why:
            record["status"], record["refused"] = why.status, str(why)
            self.send(why.status, dialect.error(why.status, str(why), why.param))
        except ValueError as why:
            record["status"], record["refused"] = 400, str(why)
            self.send(400, dialect.error(400, f"could not parse the JSON body: {why}"))
        finally:
            with self.server.lock:
                if self.server.log:
                    self.server.log.write(json.dumps(record) + "\n")
                    self.server.log.flush()

    def answer(self, dialect, body, number, step, record):
        # The first user message tells conversations apart: it carries the judge's run number.
        first = json.dumps([m for m in body.get("messages", body.get("input")) if m.get("role") == "user"][:1])
        fault = self.server.next_fault((body["model"], number, first), step)
        if fault and fault.get("hang"):
            record["status"] = 0
            self.server.stopped.wait(600)
            self.close_connection = True
        elif fault and "cut" in fault:
            self.send(200, dialect.reply(body, number, step), cut=fault["cut"])
        elif fault:
            record["status"] = fault["status"]
            error = fault.get("body", dialect.error(fault["status"], "scripted fault"))
            self.send(fault["status"], error, fault.get("headers"))
        elif "body" in step:
            self.send(200, step["body"])
        else:
            self.send(200, dialect.reply(body, number, step), step.get("headers"))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        scenario = json.load(file)
    log = open(sys.argv[2], "a", encoding="utf-8") if len(sys.argv) > 2 else None
    server = Server(scenario, log)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    print(f"port {server.server_address[1]}", flush=True)
    sys.stdin.read()
    server.stopped.set()
    server.shutdown()


if __name__ == "__main__":
    main()
