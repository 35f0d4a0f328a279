import { workerData } from 'node:worker_threads';
import { unpackBatch } from './batch-message.ts';
import type { BatchMessage } from './batch-message.ts';
import { ProjectionWriter } from './projection-writer.ts';
import type { ProjectionWriterOptions } from './projection-writer.ts';
import { serveThread } from './thread-serve.ts';

/** Words are merged once no batch has come for so long. */
const quietMs = 1000;

/** Entry point of the thread that writes. */
const writer = ProjectionWriter.open(workerData as ProjectionWriterOptions);
let merging: NodeJS.Timeout | undefined;
let failure: Error | undefined;

serveThread({
  start: () => {
    mergeAfter(quietMs);
    return { size: writer.size, states: writer.states(), findings: writer.findings };
  },
  apply: (message: BatchMessage) => {
    // The thread is started again then, and looks at its files.
    if (failure !== undefined) throw failure;
    mergeAfter(quietMs);
    writer.apply(unpackBatch(message));
    return writer.readableSize;
  },
  settle: () => {
    writer.settle();
    return writer.readableSize;
  },
  discard: (ns: string) => {
    writer.discard(ns);
    return writer.size;
  },
  close: () => {
    clearTimeout(merging);
    writer.close();
  },
});

function mergeAfter(delayMs: number): void {
  clearTimeout(merging);
  merging = setTimeout(merge, delayMs);
}

/** A step at a time: a batch that comes meanwhile waits for one step at most. */
function merge(): void {
  try {
    if (writer.mergeText()) mergeAfter(0);
  } catch (error) {
    // Nothing is lost by it, and whoever writes next has to know.
    failure = error instanceof Error ? error : new Error(String(error));
  }
}
