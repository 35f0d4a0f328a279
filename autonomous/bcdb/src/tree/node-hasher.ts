import { hash } from 'node:crypto';
import { TreeHasher } from './merkle.ts';
import type { Sha256 } from './merkle.ts';

/** By way of text: a buffer from the other side costs more than the hash of so few bytes. */
export const sha256: Sha256 = (bytes) => Buffer.from(hash('sha256', bytes, 'latin1'), 'latin1');

/** The hashes of the tree by node:crypto. */
export const treeHasher = new TreeHasher(sha256);
