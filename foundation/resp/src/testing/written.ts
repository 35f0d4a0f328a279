import { MemoryPool } from '../memory-pool.ts';
import { ReplyWriter } from '../reply-writer.ts';
import type { ReplyChunk } from '../reply-writer.ts';

/** What `write` wrote, as UTF-8 text. */
export function written(write: (writer: ReplyWriter) => void, protocol: 2 | 3 = 2): string {
  const writer = new ReplyWriter(new MemoryPool());
  writer.protocol = protocol;
  write(writer);
  return textOf(writer.take());
}

export function textOf(chunks: readonly ReplyChunk[]): string {
  return Buffer.concat(chunks.map((c) => c.memory.subarray(c.start, c.end))).toString();
}
