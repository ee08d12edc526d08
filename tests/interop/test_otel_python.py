"""test_otel_python - OpenTelemetry's SDK for Python sends traces; all of it must be there.

SPDX-License-Identifier: Apache-2.0
"""
import gzip
import json
import sys

import grpc
import harness
from opentelemetry import trace
from opentelemetry.exporter.otlp.common.http import Compression as JsonCompression
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ProtoExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExportResult
from otel_check import check_complete, experiment_of, spans_of, stored
from server import Server

PROTOBUF = {"Content-Type": "application/x-protobuf"}


def provider_for(exporter, batch=True):
    provider = TracerProvider(resource=Resource.create({
        "service.name": "shop", "service.version": "1.2.3", "deployment.environment": "test", "host.cpus": 4, "flags": [True, False]}))
    provider.add_span_processor(BatchSpanProcessor(exporter) if batch else SimpleSpanProcessor(exporter))
    return provider


def send_everything(provider):
    """One trace with all that a span can hold; its id and the moments of its spans."""
    tracer = provider.get_tracer("my.library", "0.9", schema_url="https://example.com/schema", attributes={"scope.key": "scope value"})
    linked = trace.SpanContext(0x11112222333344445555666677778888, 0x1111222233334444, is_remote=True)
    with tracer.start_as_current_span("root", kind=trace.SpanKind.SERVER, links=[trace.Link(linked, {"link.why": "retry", "link.n": 2})],
                                      attributes={"text": "ж 🎈", "int": 42, "big": 2**62, "negative": -1, "float": 0.5, "true": True,
                                                  "false": False, "list": ["a", "b"], "numbers": [1, 2, 3], "floats": [0.5, 1.5],
                                                  "empty": "", "json": '{"a": [1]}', "long": "x" * 100_000}) as root:
        root.add_event("progress", {"percent": 50, "note": "half"})
        with tracer.start_as_current_span("child", kind=trace.SpanKind.CLIENT):
            pass
        try:
            with tracer.start_as_current_span("broken"):
                raise ValueError("it broke ж")
        except ValueError:
            pass
        root.set_status(trace.StatusCode.OK)
    assert provider.force_flush()
    provider.shutdown()
    return f"{root.context.trace_id:032x}"


def check_exporter(case, make):
    with Server(case) as server:
        trace_id = send_everything(provider_for(make(f"{server.url}/v1/traces")))
        check_complete(case, server, trace_id, language="python")


def test_protobuf(case):
    check_exporter(case, lambda url: ProtoExporter(endpoint=url))


def test_protobuf_gzip(case):
    check_exporter(case, lambda url: ProtoExporter(endpoint=url, compression=Compression.Gzip))


def test_protobuf_deflate(case):
    check_exporter(case, lambda url: ProtoExporter(endpoint=url, compression=Compression.Deflate))


def test_json(case):
    check_exporter(case, lambda url: JsonExporter(endpoint=url))


def test_json_gzip(case):
    check_exporter(case, lambda url: JsonExporter(endpoint=url, compression=JsonCompression.GZIP))


def check_grpc(case, compression):
    with Server(case, "--grpc-port", "0") as server:
        exporter = GrpcExporter(endpoint=server.grpc_url, insecure=True, compression=compression)
        trace_id = send_everything(provider_for(exporter))
        check_complete(case, server, trace_id, language="python")


def test_grpc(case):
    check_grpc(case, grpc.Compression.NoCompression)


def test_grpc_gzip(case):
    check_grpc(case, grpc.Compression.Gzip)


def test_many_traces(case):
    """A batch processor under load: nothing is lost, nothing doubled."""
    with Server(case) as server:
        provider = provider_for(ProtoExporter(endpoint=f"{server.url}/v1/traces", compression=Compression.Gzip))
        tracer = provider.get_tracer("load")
        ids = set()
        for n in range(300):
            with tracer.start_as_current_span(f"root {n}") as root:
                ids.add(f"{root.context.trace_id:032x}")
                for i in range(4):
                    with tracer.start_as_current_span(f"child {i}", attributes={"n": n}):
                        pass
        assert provider.force_flush()
        provider.shutdown()
        assert {trace_id for trace_id, _ in spans_of(server, ids)} == ids
        assert len(spans_of(server, ids)) == 1500


def test_experiment(case):
    """service.name names the experiment; a header chooses another."""
    with Server(case) as server:
        trace_id = send_everything(provider_for(ProtoExporter(endpoint=f"{server.url}/v1/traces")))
        assert experiment_of(server, trace_id)["name"] == "shop"
        made = server.json("POST", "/api/2.0/mlflow/experiments/create", {"name": "by header"})["experiment_id"]
        exporter = ProtoExporter(endpoint=f"{server.url}/v1/traces", headers={"x-mlflow-experiment-id": made})
        trace_id = send_everything(provider_for(exporter, batch=False))
        assert experiment_of(server, trace_id)["name"] == "by header"


def raw_request(*spans):
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    for trace_id, span_id, name in spans:
        scope.spans.add(trace_id=trace_id, span_id=span_id, name=name, start_time_unix_nano=1_777_708_800 * 10**9,
                        end_time_unix_nano=1_777_708_801 * 10**9)
    return request


def test_partial_success(case):
    """Bad spans are counted and said to be bad; their neighbours are kept."""
    with Server(case) as server:
        good, bad = bytes(range(1, 17)), b"\0" * 16
        request = raw_request((good, b"\1" * 8, "good"), (bad, b"\2" * 8, "zero trace id"), (good, b"", "no span id"), (b"\1", b"\3" * 8, "short"))
        status, headers, body = server.request("POST", "/v1/traces", request.SerializeToString(), PROTOBUF)
        assert (status, headers["Content-Type"]) == (200, "application/x-protobuf"), (status, body)
        answer = ExportTraceServiceResponse.FromString(body)
        assert answer.partial_success.rejected_spans == 2, answer
        assert answer.partial_success.error_message
        names = sorted(name for _, name in spans_of(server, [good.hex()]))
        assert names == ["good"], names
        kept = [line["name"] for line in case.ok("traces", "--json").json()]
        assert sorted(kept) == ["good", "short"], kept  # an id of another length is kept, by one derived from it
        status, headers, body = server.request("POST", "/v1/traces", ExportTraceServiceRequest().SerializeToString(), PROTOBUF)
        assert (status, body) == (200, b""), (status, body)


def test_refusals(case):
    """Broken bodies get a Status in kind; the exporter reports failure and goes on."""
    with Server(case, "--body-max", "1MiB") as server:
        for body, kind in ((b"\xff\xff\xff", "application/x-protobuf"), (b"{", "application/json"), (b"{}", "text/plain")):
            status, headers, answer = server.request("POST", "/v1/traces", body, {"Content-Type": kind})
            assert status in (400, 415), (status, answer)
            assert answer, kind
        bomb = gzip.compress(b"\0" * (64 << 20))
        status, _, answer = server.request("POST", "/v1/traces", bomb, {**PROTOBUF, "Content-Encoding": "gzip"})
        assert status == 413, (status, answer)
        exporter = ProtoExporter(endpoint=f"{server.url}/v1/traces")
        provider = TracerProvider()
        with provider.get_tracer("t").start_as_current_span("too large") as span:
            span.set_attribute("long", "x" * (2 << 20))
        assert exporter.export([span]) == SpanExportResult.FAILURE
        with provider.get_tracer("t").start_as_current_span("fits") as span:
            pass
        assert exporter.export([span]) == SpanExportResult.SUCCESS
        exporter.shutdown()


DIALECTS = {
    "openinference": {
        "openinference.span.kind": "LLM", "input.value": '{"q": "hi"}', "input.mime_type": "application/json", "output.value": "hello",
        "llm.model_name": "gpt-4o", "llm.provider": "openai", "llm.token_count.prompt": 11, "llm.token_count.completion": 7,
        "session.id": "s-1", "user.id": "u-1"},
    "traceloop": {
        "traceloop.span.kind": "task", "traceloop.entity.input": '{"q": "hi"}', "traceloop.entity.output": "hello",
        "gen_ai.system": "openai", "gen_ai.request.model": "gpt-4o", "llm.request.type": "chat",
        "gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": "hi", "gen_ai.completion.0.content": "hello",
        "gen_ai.usage.prompt_tokens": 11, "gen_ai.usage.completion_tokens": 7},
    "vercel": {
        "operation.name": "ai.generateText.doGenerate", "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "gpt-4o",
        "ai.model.provider": "openai", "ai.prompt.messages": '[{"role":"user","content":"hi"}]', "ai.response.text": "hello",
        "ai.usage.promptTokens": 11, "ai.usage.completionTokens": 7},
    "genai": {
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o", "gen_ai.response.model": "gpt-4o",
        "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"hi"}]}]',
        "gen_ai.output.messages": '[{"role":"assistant","parts":[{"type":"text","content":"hello"}]}]',
        "gen_ai.usage.input_tokens": 11, "gen_ai.usage.output_tokens": 7, "gen_ai.conversation.id": "s-1"},
}


def test_dialects(case):
    """What other instrumentations write lands in the normal form, and what they wrote stays."""
    with Server(case) as server:
        for dialect, attributes in DIALECTS.items():
            provider = provider_for(ProtoExporter(endpoint=f"{server.url}/v1/traces"))
            with provider.get_tracer(dialect).start_as_current_span("call", attributes=attributes) as span:
                pass
            assert provider.force_flush()
            provider.shutdown()
            shown = stored(case, f"{span.context.trace_id:032x}")["spans"][0]
            text = json.dumps(shown)
            assert shown["kind"] in ("LLM", "CHAT_MODEL", "TASK"), (dialect, shown["kind"])
            assert shown["model"] == "gpt-4o", (dialect, text)
            assert (shown["usage"]["input_tokens"], shown["usage"]["output_tokens"]) == (11, 7), (dialect, text)
            assert "hi" in json.dumps(shown["fields"]["input"]) and "hello" in json.dumps(shown["fields"]["output"]), (dialect, text)
            for key, value in attributes.items():
                kept = shown["fields"][f"attributes.{key}"]
                assert kept == value or kept == json.loads(value), (dialect, key, kept)


if __name__ == "__main__":
    harness.main(sys.modules[__name__])
