import { readUpTo } from '@commongrid/files';
import type { Files } from '@commongrid/files';
import { frameBytes, frameHeaderBytes, frameMagic, readFrameHeader } from './format.ts';
import type { FrameHeader } from './format.ts';
import { isContentSound } from './frame-codec.ts';

/** What stands at an offset: a sound frame, or bytes up to the next one that are none. */
export type WalkedStretch =
  | {
      readonly kind: 'frame';
      readonly offset: number;
      readonly bytes: number;
      readonly header: FrameHeader;
      /** Holds the frame at `at`, until the next step. */
      readonly buffer: Buffer;
      readonly at: number;
    }
  | { readonly kind: 'bad'; readonly offset: number; readonly bytes: number };

const windowBytes = 1024 * 1024;

/** Goes through a segment file frame by frame, checks them, and reads on after bytes that are bad. */
export class FrameWalker {
  readonly #files: Files;
  readonly #fd: number;
  readonly #logId: Uint8Array;
  readonly fileBytes: number;
  #buffer = Buffer.allocUnsafeSlow(windowBytes);
  /** What `#buffer` holds: so many bytes from this offset of the file. */
  #from = 0;
  #held = 0;
  #offset = 0;

  constructor(files: Files, fd: number, logId: Uint8Array) {
    this.#files = files;
    this.#fd = fd;
    this.#logId = logId;
    this.fileBytes = files.fstatSync(fd).size;
  }

  /** Undefined at the end of the file. */
  next(): WalkedStretch | undefined {
    const offset = this.#offset;
    if (offset >= this.fileBytes) return undefined;
    const frame = this.#frameAt(offset);
    if (frame !== undefined) {
      this.#offset = offset + frame.bytes;
      return frame;
    }
    this.#offset = this.#nextFrame(offset + 1);
    return { kind: 'bad', offset, bytes: this.#offset - offset };
  }

  /** Offset of the next sound frame, or the end of the file. */
  #nextFrame(from: number): number {
    for (let offset = from; offset < this.fileBytes;) {
      const at = this.#hold(offset, frameMagic.length);
      const found = this.#buffer.subarray(0, this.#held).indexOf(frameMagic, at);
      if (found < 0) {
        // The last bytes held may be the beginning of a magic number.
        offset = Math.max(offset + 1, this.#from + this.#held - frameMagic.length + 1);
        continue;
      }
      offset = this.#from + found;
      if (this.#frameAt(offset) !== undefined) return offset;
      offset++;
    }
    return this.fileBytes;
  }

  #frameAt(offset: number): (WalkedStretch & { kind: 'frame' }) | undefined {
    let at = this.#hold(offset, frameHeaderBytes);
    const header = readFrameHeader(this.#buffer.subarray(0, this.#held), at, this.#logId);
    if (header === undefined) return undefined;
    const bytes = frameBytes(header);
    at = this.#hold(offset, bytes);
    const buffer = this.#buffer.subarray(0, this.#held);
    if (!isContentSound(header, buffer, at)) return undefined;
    return { kind: 'frame', offset, bytes, header, buffer, at };
  }

  /** Makes `#buffer` hold so many bytes from an offset, as far as the file has them. */
  #hold(offset: number, bytes: number): number {
    const end = Math.min(offset + bytes, this.fileBytes);
    if (offset >= this.#from && end <= this.#from + this.#held) return offset - this.#from;
    if (bytes > this.#buffer.length) this.#buffer = Buffer.allocUnsafeSlow(bytes);
    this.#from = offset;
    this.#held = readUpTo(this.#files, this.#fd, this.#buffer, 0, this.#buffer.length, offset);
    return 0;
  }
}
