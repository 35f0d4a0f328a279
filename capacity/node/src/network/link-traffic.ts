import { readFile } from 'node:fs/promises';

/** What a container received and sent since its link was made. */
export interface LinkTraffic {
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Of every container of a node, by its name on the machine. One look at the kernel for all of them. */
export async function readTraffic(prefix: string): Promise<ReadonlyMap<string, LinkTraffic>> {
  return trafficIn(await readFile('/proc/self/net/dev', 'utf8'), prefix);
}

/** What `/proc/net/dev` says: after the name 8 figures of what came in, 8 of what went out. */
export function trafficIn(text: string, prefix: string): ReadonlyMap<string, LinkTraffic> {
  const all = new Map<string, LinkTraffic>();
  for (const line of text.split('\n')) {
    const [name = '', figures = ''] = line.split(':');
    const key = name.trim().slice(prefix.length);
    if (name.trim() !== prefix + key || !/^[0-9a-f]{12}$/.test(key)) continue;
    const counts = figures.trim().split(/ +/).map(Number);
    // At the machine's end what comes in is what the container sent.
    all.set(key, { receivedBytes: counts[8] ?? 0, sentBytes: counts[0] ?? 0 });
  }
  return all;
}
