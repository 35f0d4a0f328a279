/** Calls of libc that Node itself does not have, or has at a higher price. */
export interface SystemCalls {
  /** mount(2); whether it did. */
  mount(call: MountCall): boolean;
  /** umount2(2) of what nobody can have written to: it would wait for that; whether it did. */
  unmount(target: string): boolean;
  /** statx(2) of many files. */
  stater(paths: PathList): Stater;
}

/** Paths of one length, one after the other, each with a zero byte behind it. */
export interface PathList {
  /** All of an array buffer, which therefore does not move. */
  readonly bytes: ArrayBuffer;
  /** Of one path with its zero byte. */
  readonly pathBytes: number;
}

/**
 * Looks at the file whose path has a place in a list, beginning at a folder that is open.
 * @returns a `struct statx` as words, good until the next call; undefined when nothing is there
 */
export type Stater = (folder: number, place: number) => Uint32Array | undefined;

export interface MountCall {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  /** From `mountFlags`. */
  readonly flags: bigint;
  /** Options of the file system. */
  readonly options?: string;
}

/** Flags of mount(2): linux/mount.h. */
export const mountFlags = { readOnly: 1n, noDevices: 4n } as const;

/**
 * The calls, or undefined where Node was built without FFI: then programs of util-linux do it. A
 * call takes microseconds, a program milliseconds in which the process that starts it stands still.
 * Why a call failed is not said; a program says it, and can do more, such as make loop devices.
 */
export function systemCalls(): SystemCalls | undefined {
  made ??= { calls: makeCalls() };
  return made.calls;
}

let made: { readonly calls: SystemCalls | undefined } | undefined;

function makeCalls(): SystemCalls | undefined {
  const ffi = process.getBuiltinModule('node:ffi');
  // Of the process itself, whose libc stays.
  const { functions } = ffi?.dlopen(null, definitions) ?? {};
  if (functions === undefined) return undefined;
  // An array buffer of its own does not move.
  const found = new ArrayBuffer(statxBytes);
  const foundAt = ffi.getRawPointer(found);
  const words = new Uint32Array(found);
  return {
    mount: ({ source, target, type, flags, options = '' }) =>
      functions.mount(source, target, type, flags, options) === 0,
    unmount: (target) => functions.umount2(target, 0) === 0,
    stater: ({ bytes, pathBytes }) => {
      const first = ffi.getRawPointer(bytes);
      return (folder, place) => {
        if (place < 0 || (place + 1) * pathBytes > bytes.byteLength) return undefined;
        const path = first + BigInt(place * pathBytes);
        return functions.statx(folder, path, 0, basicStats, foundAt) === 0 ? words : undefined;
      };
    },
  };
}

const definitions = {
  mount: { arguments: ['string', 'string', 'string', 'u64', 'string'], return: 'i32' },
  umount2: { arguments: ['string', 'i32'], return: 'i32' },
  statx: { arguments: ['i32', 'pointer', 'i32', 'u32', 'pointer'], return: 'i32' },
} as const;

/** STATX_BASIC_STATS and the size of `struct statx`: linux/stat.h. */
const basicStats = 0x7ff;
const statxBytes = 256;
