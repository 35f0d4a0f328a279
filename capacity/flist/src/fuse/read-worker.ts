import { readSync, writeSync } from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

import { errorCode } from '@commongrid/base';

import { decodeFlist } from '../format/decode-flist.ts';
import { filesOf } from '../store/files-of.ts';
import { byteTextFrom } from '../tree/byte-text.ts';
import type { ByteText } from '../tree/byte-text.ts';
import { chunkBytes } from '../tree/inode.ts';
import type { RegularFile } from '../tree/inode.ts';
import { answerRequest, nameIn } from './answer-request.ts';
import type { Answer } from './answer-request.ts';
import { ChunkWindow } from './chunk-window.ts';
import {
  errnos,
  opcodes,
  outHeaderBytes,
  parseRequest,
  readBytesMax,
  requestBytesMax,
  writeHeader,
} from './fuse-wire.ts';
import type { FuseRequest } from './fuse-wire.ts';
import { ImageNodes } from './image-nodes.ts';
import type { ReadTarget } from './image-nodes.ts';
import { LocalContent } from './local-content.ts';
import { OpenRequests } from './open-requests.ts';
import { ReadTrace } from './read-trace.ts';
import type { WorkerMessage, WorkerOrder, WorkerStart } from './worker-messages.ts';

/**
 * The thread that reads what the kernel asks, and answers what it can at once: names, metadata,
 * content that is here. It blocks in the read, so nothing else ever runs in it; what is not here
 * goes to the main thread, which answers by itself, on the same descriptor.
 */
class ReadWorker {
  readonly #start: WorkerStart;
  readonly #port: MessagePort;
  readonly #bell: Int32Array;
  readonly #nodes: ImageNodes;
  readonly #content: LocalContent;
  readonly #open: OpenRequests | undefined;
  readonly #images = new Map<string, { files: readonly RegularFile[]; trace?: ReadTrace }>();
  readonly #in = Buffer.allocUnsafe(requestBytesMax);
  readonly #out = Buffer.allocUnsafe(outHeaderBytes + readBytesMax);
  #lastName: ByteText | undefined;

  constructor(start: WorkerStart, port: MessagePort) {
    this.#start = start;
    this.#port = port;
    this.#bell = new Int32Array(start.bell);
    this.#nodes = new ImageNodes(start.secret);
    this.#content = new LocalContent(start, new ChunkWindow(start.window));
    const { openRequests } = start;
    this.#open = openRequests && new OpenRequests(openRequests.path, openRequests.taken);
  }

  /** Serves until it is told to end or the file system is unmounted. */
  run(): void {
    for (const order of this.#start.orders) this.#take(order);
    for (;;) {
      const request = this.#readRequest();
      if (request === undefined) break;
      if (Atomics.exchange(this.#bell, 0, 0) === 1) this.#takeOrders();
      try {
        this.#serve(request);
      } catch {
        // Whatever is odd about one node fails one request, not the mounts of all.
        this.#reply(request.unique, { errno: errnos.io });
      }
      if (request.opcode === opcodes.lookup && nameIn(request) === this.#lastName) break;
    }
    this.#content.close();
    this.#open?.close();
  }

  #readRequest(): FuseRequest | undefined {
    for (;;) {
      try {
        readSync(this.#start.fd, this.#in);
        return parseRequest(this.#in);
      } catch (error) {
        // Whoever asked has gone meanwhile, or a signal came.
        if (!passing.has(errorCode(error) ?? '')) {
          if (errorCode(error) === 'ENODEV') return undefined;
          throw error;
        }
      }
    }
  }

  #serve(request: FuseRequest): void {
    this.#open?.begin(request.unique);
    if (request.opcode === opcodes.interrupt) {
      this.#tell({ kind: 'interrupt', unique: request.body.readBigUInt64LE(0) });
      return;
    }
    const answer =
      request.opcode === opcodes.read
        ? this.#read(request)
        : answerRequest(this.#nodes, request, this.#out);
    if (answer !== undefined) this.#reply(request.unique, answer);
  }

  /** Undefined for what the main thread answers. */
  #read(request: FuseRequest): Answer | undefined {
    const target = this.#nodes.readTarget(request.nodeId);
    if (target === undefined) return { errno: errnos.io };
    const { file } = target.object;
    const offset = Number(request.body.readBigUInt64LE(8));
    const wanted = Math.min(request.body.readUInt32LE(16), readBytesMax);
    const length = Math.max(0, Math.min(wanted, file.sizeBytes - offset));
    if (length === 0) return { sizeBytes: 0 };
    const firstChunk = Math.floor(offset / chunkBytes);
    const lastChunk = Math.floor((offset + length - 1) / chunkBytes);
    this.#note(target, firstChunk, lastChunk);
    const out = this.#out.subarray(outHeaderBytes, outHeaderBytes + length);
    if (this.#isHere(target, offset, out)) return { sizeBytes: length };
    this.#tell({
      kind: 'miss',
      unique: request.unique,
      place: this.#open?.wait(request.unique) ?? 0,
      id: target.object.id,
      offset,
      length,
    });
    return undefined;
  }

  /** A disk that fails is as good as a content that is not here: it can be fetched. */
  #isHere({ object }: ReadTarget, offset: number, out: Buffer): boolean {
    try {
      return this.#content.read(object, offset, out);
    } catch {
      return false;
    }
  }

  #note({ object, tree }: ReadTarget, firstChunk: number, lastChunk: number): void {
    if (tree === undefined) return;
    const image = this.#images.get(tree.options.name);
    image?.trace?.note(object.id, firstChunk, lastChunk);
  }

  #reply(unique: bigint, answer: Answer): void {
    const sizeBytes = 'sizeBytes' in answer ? answer.sizeBytes : 0;
    const errno = 'errno' in answer ? answer.errno : 0;
    writeHeader(this.#out, { unique, sizeBytes, errno });
    try {
      writeSync(this.#start.fd, this.#out, 0, outHeaderBytes + sizeBytes);
    } catch (error) {
      // Nobody waits for the answer any more.
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENODEV') throw error;
    }
  }

  #takeOrders(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#port);
      if (received === undefined) return;
      this.#take(received.message as WorkerOrder);
    }
  }

  #take(order: WorkerOrder): void {
    if (order.kind === 'end') this.#lastName = byteTextFrom(order.last);
    else if (order.kind === 'add') this.#add(order);
    else if (order.kind === 'remove') this.#remove(order.name);
    else this.#tellTrace(order.name);
  }

  #add({ image }: Extract<WorkerOrder, { kind: 'add' }>): void {
    const { name, bytes, tree } = image;
    const { root } = decodeFlist(bytes);
    const files = [...filesOf(root)].filter(({ sizeBytes }) => sizeBytes > 0);
    this.#nodes.addObjects(files);
    if (tree !== undefined) this.#nodes.addTree(root, { ...tree, name });
    const trace = tree?.isTraced === true ? new ReadTrace(files) : undefined;
    this.#images.set(name, { files, ...(trace === undefined ? {} : { trace }) });
  }

  #remove(name: string): void {
    this.#nodes.removeTree(name);
    this.#nodes.removeObjects(this.#images.get(name)?.files ?? []);
    this.#images.delete(name);
  }

  #tellTrace(name: string): void {
    const reads = this.#images.get(name)?.trace?.reads ?? [];
    this.#tell({ kind: 'trace', name, reads });
  }

  #tell(message: WorkerMessage): void {
    // A thread has no origin.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin
    this.#port.postMessage(message);
  }
}

const passing: ReadonlySet<string> = new Set(['ENOENT', 'EINTR', 'EAGAIN']);

if (parentPort !== null) new ReadWorker(workerData as WorkerStart, parentPort).run();
