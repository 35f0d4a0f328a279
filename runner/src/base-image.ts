import { execFile } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { arch } from 'node:process';
import { promisify } from 'node:util';

import { errorCode } from '@commongrid/base';
import type {
  ByteText,
  ChunkHash,
  Flist,
  FlistDigest,
  PackedChunk,
  UploadSource,
} from '@commongrid/flist';

const execute = promisify(execFile);

/** A small image, whole in memory. */
export interface BaseImage {
  readonly digest: FlistDigest;
  readonly source: UploadSource;
}

/** Where a busybox may be. It must be linked statically: the image has no libraries. */
const busyboxPlaces = [
  '/usr/bin/busybox',
  '/bin/busybox',
  '/usr/local/bin/busybox',
  '/sbin/busybox',
];
/** A static busybox has 1 to 3 MiB. */
const busyboxBytesMax = 16 * 2 ** 20;
/** Time for a busybox to list its programs. */
const listMsMax = 10_000;

const emptyFolders = ['dev', 'etc', 'proc', 'root', 'run', 'sys', 'tmp', 'usr', 'var/tmp'];
const textFiles: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
};

/** The busybox of this machine that can be an image of its own; undefined where there is none. */
export async function findStaticBusybox(
  places: readonly string[] = busyboxPlaces,
): Promise<string | undefined> {
  for (const file of places) {
    if (await isStaticProgram(file)) return file;
  }
  return undefined;
}

/** An image of a busybox alone, with all of its programs. The same busybox gives the same image. */
export async function makeBaseImage(busybox: string): Promise<BaseImage> {
  const { encodeFlist, flistDigestOf, packFlist } = await import('@commongrid/flist');
  const chunks = new Map<ChunkHash, PackedChunk>();
  const bytes = encodeFlist(await baseFlist(busybox, chunks));
  const [digest, packed] = [flistDigestOf(bytes), await packFlist(bytes)];
  const source: UploadSource = {
    getPackedFlist: async (wanted) => (wanted === digest ? packed : undefined),
    fetch: async function* (hashes) {
      for (const wanted of hashes) {
        const chunk = chunks.get(wanted);
        if (chunk !== undefined) yield chunk;
      }
    },
  };
  return { digest, source };
}

async function baseFlist(busybox: string, chunks: Map<ChunkHash, PackedChunk>): Promise<Flist> {
  const { TreeBuilder, byteTextFrom } = await import('@commongrid/flist');
  const tree = new TreeBuilder();
  const owned = { uid: 0, gid: 0, mtimeNs: 0n, xattrs: [] };
  for (const path of emptyFolders) {
    const mode = path.endsWith('tmp') ? 0o1777 : 0o755;
    tree.put(byteTextFrom(path), { kind: 'directory', mode, ...owned });
  }
  const put = async (path: string, mode: number, content: Buffer): Promise<void> => {
    const chunkHashes = await cut(content, chunks);
    const sizeBytes = content.length;
    tree.put(byteTextFrom(path), { kind: 'file', mode, ...owned, sizeBytes, chunkHashes });
  };
  for (const [path, text] of Object.entries(textFiles)) await put(path, 0o644, Buffer.from(text));
  await put('bin/busybox', 0o755, await readFile(busybox));
  for (const name of await appletsOf(busybox)) {
    const target = 'busybox' as ByteText;
    tree.put(byteTextFrom(`bin/${name}`), { kind: 'symlink', mode: 0o777, ...owned, target });
  }
  return { root: tree.finish(), config };
}

const config: Exclude<Flist['config'], undefined> = {
  architecture: arch === 'arm64' ? 'arm64' : 'amd64',
  os: 'linux',
  config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'], WorkingDir: '/root' },
};

async function cut(content: Buffer, chunks: Map<ChunkHash, PackedChunk>): Promise<Uint8Array> {
  const { chunkBytes, packChunk } = await import('@commongrid/flist');
  const hashes: Buffer[] = [];
  for (let at = 0; at < content.length; at += chunkBytes) {
    const plaintext = content.subarray(at, at + chunkBytes);
    const digest = hash('sha256', plaintext, 'buffer');
    const name = digest.toString('hex') as ChunkHash;
    chunks.set(name, { hash: name, packed: await packChunk(plaintext) });
    hashes.push(digest);
  }
  return Buffer.concat(hashes);
}

async function appletsOf(busybox: string): Promise<string[]> {
  const { stdout } = await execute(busybox, ['--list'], { timeout: listMsMax });
  const names = stdout.split('\n').filter((name) => /^[\w.[-]+$/.test(name));
  return names.filter((name) => name !== 'busybox');
}

/** An ELF program of 64 bits without an interpreter, which would load its libraries. */
async function isStaticProgram(file: string): Promise<boolean> {
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size > busyboxBytesMax) return false;
    const bytes = await readFile(file);
    if (bytes.readUInt32BE(0) !== elfMagic || bytes[4] !== elf64 || bytes[5] !== elfLittle) {
      return false;
    }
    const [at, entryBytes, entries] = [
      Number(bytes.readBigUInt64LE(32)),
      bytes.readUInt16LE(54),
      bytes.readUInt16LE(56),
    ];
    const kinds = Array.from({ length: entries }, (_, n) =>
      bytes.readUInt32LE(at + n * entryBytes),
    );
    return !kinds.includes(programInterpreter);
  } catch (error) {
    if (error instanceof RangeError || errorCode(error) !== undefined) return false;
    throw error;
  }
}

const elfMagic = 0x7f454c46;
const elf64 = 2;
const elfLittle = 1;
/** PT_INTERP. */
const programInterpreter = 3;
