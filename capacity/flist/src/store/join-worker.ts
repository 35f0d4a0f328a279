import { hash } from 'node:crypto';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';

/** Where a chunk lies, and what it has to be. */
export interface JoinPiece {
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
  /** SHA-256, 64 lowercase hex digits. */
  readonly hash: string;
}

/** Chunks to copy to a file, one behind the other, to a worker. */
export interface JoinJob {
  readonly number: number;
  /** Of the file, open for writing. */
  readonly fd: number;
  /** Where in it the first piece goes. */
  readonly position: number;
  readonly pieces: readonly JoinPiece[];
}

export interface JoinResult {
  readonly number: number;
  /** False when one could not be read or written, or had other bytes. */
  readonly isDone: boolean;
}

/** For every piece the same: new memory costs more than copying. */
let room = Buffer.alloc(0);

// The thread of `ChunkJoiner`.
parentPort?.on('message', ({ number, fd, position, pieces }: JoinJob) => {
  const result: JoinResult = { number, isDone: isJoined(fd, position, pieces) };
  // A thread has no origin.
  // oxlint-disable-next-line unicorn/require-post-message-target-origin
  parentPort?.postMessage(result);
});

/** Why it failed finds out who asked: he reads the chunks one by one then. */
function isJoined(fd: number, position: number, pieces: readonly JoinPiece[]): boolean {
  let at = position;
  try {
    for (const piece of pieces) {
      const bytes = readPiece(piece);
      if (hash('sha256', bytes, 'hex') !== piece.hash) return false;
      if (writeSync(fd, bytes, 0, bytes.length, at) !== bytes.length) return false;
      at += bytes.length;
    }
    return true;
  } catch {
    return false;
  }
}

function readPiece({ path, offset, sizeBytes }: JoinPiece): Buffer {
  if (room.length < sizeBytes) room = Buffer.allocUnsafeSlow(sizeBytes);
  const from = openSync(path, 'r');
  try {
    return room.subarray(0, readSync(from, room, 0, sizeBytes, offset));
  } finally {
    closeSync(from);
  }
}
