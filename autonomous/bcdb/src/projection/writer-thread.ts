import { workerData } from 'node:worker_threads';
import { unpackBatch } from './batch-message.ts';
import type { BatchMessage } from './batch-message.ts';
import { ProjectionWriter } from './projection-writer.ts';
import type { ProjectionWriterOptions } from './projection-writer.ts';
import { serveThread } from './thread-serve.ts';

/** Entry point of the thread that writes. */
const writer = ProjectionWriter.open(workerData as ProjectionWriterOptions);

serveThread({
  start: () => ({ size: writer.size, states: writer.states(), findings: writer.findings }),
  apply: (message: BatchMessage) => writer.apply(unpackBatch(message)),
  discard: (ns: string) => {
    writer.discard(ns);
    return writer.size;
  },
  close: () => writer.close(),
});
