// send.mjs - sends one trace with all that a span can hold, and prints its id.
// SPDX-License-Identifier: Apache-2.0
//
//     node send.mjs proto|http gzip|none http://127.0.0.1:5000/v1/traces
//
// Its twin in Python is send_everything in test_otel_python.py; otel_check.py reads back both.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

// The packages lie where run.py installed them, not beside this file.
const require = createRequire(pathToFileURL(process.env.NODE_PACKAGES + '/package.json'));
const { SpanKind, SpanStatusCode, trace, context } = require('@opentelemetry/api');
const { BatchSpanProcessor, NodeTracerProvider } = require('@opentelemetry/sdk-trace-node');
const { resourceFromAttributes } = require('@opentelemetry/resources');

const [kind, compression, url] = process.argv.slice(2);
const { OTLPTraceExporter } = require(`@opentelemetry/exporter-trace-otlp-${kind}`);

const provider = new NodeTracerProvider({
  resource: resourceFromAttributes({
    'service.name': 'shop', 'service.version': '1.2.3', 'host.cpus': 4, 'flags': [true, false],
  }),
  spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter({ url, compression }))],
});
provider.register();

const tracer = trace.getTracer('my.library', '0.9', { schemaUrl: 'https://example.com/schema' });
const root = tracer.startSpan('root', {
  kind: SpanKind.SERVER,
  links: [{
    context: { traceId: '11112222333344445555666677778888', spanId: '1111222233334444', traceFlags: 1 },
    attributes: { 'link.why': 'retry', 'link.n': 2 },
  }],
  attributes: {
    text: 'ж 🎈', int: 42, big: 2 ** 53, negative: -1, float: 0.5, true: true, false: false, list: ['a', 'b'],
    numbers: [1, 2, 3], floats: [0.5, 1.5], empty: '', json: '{"a": [1]}', long: 'x'.repeat(100000),
  },
});
root.addEvent('progress', { percent: 50, note: 'half' });
context.with(trace.setSpan(context.active(), root), () => {
  tracer.startActiveSpan('child', { kind: SpanKind.CLIENT }, (span) => span.end());
  tracer.startActiveSpan('broken', (span) => {
    const error = new Error('it broke ж');
    span.recordException(error);
    span.setStatus({ code: SpanStatusCode.ERROR, message: error.message });
    span.end();
  });
});
root.setStatus({ code: SpanStatusCode.OK });
root.end();
await provider.shutdown();
console.log(root.spanContext().traceId);
