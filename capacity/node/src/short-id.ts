import { hash } from 'node:crypto';

/** Characters of a short id: names of network interfaces have room for 15. */
const shortIdLength = 12;

/**
 * The name of a workload where the kernel and its tools have no room for the whole: containers,
 * interfaces, subvolumes. 48 bits of SHA-256, hex; two workloads of a node that share one are refused.
 */
export function shortIdOf(id: string): string {
  return hash('sha256', id, 'hex').slice(0, shortIdLength);
}
