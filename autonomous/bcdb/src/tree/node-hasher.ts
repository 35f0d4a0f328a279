import { hash } from 'node:crypto';
import { TreeHasher } from './merkle.ts';

/** The hashes of the tree by node:crypto. */
export const treeHasher = new TreeHasher((bytes) => hash('sha256', bytes, 'buffer'));
