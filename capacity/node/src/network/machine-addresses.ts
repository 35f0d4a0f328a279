import { readdir } from 'node:fs/promises';
import { BlockList, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';

import { readTextIfThere } from '@commongrid/base';

/**
 * Where others may reach this machine, as the record of a node has it: `ip://192.0.2.7`, public ones
 * first, at most 16. Of each link that leads out: one with hardware, one that is put on such, as bridges
 * and VLANs are, and one by which routers are reached. Those of containers and of machines within this
 * one lead nowhere else.
 */
export async function machineAddresses(): Promise<readonly string[]> {
  const [outward, passing] = await Promise.all([routedLinks(), passingAddresses()]);
  const found: string[] = [];
  for (const [link, entries = []] of Object.entries(networkInterfaces())) {
    const own = entries.flatMap(({ address }) => (passing.has(address) ? [] : [address]));
    const useful = own.filter((address) => !isIn(address, unreachable));
    if (useful.length === 0) continue;
    if (outward.has(link) || (await isOnHardware(link))) found.push(...useful);
  }
  const isPrivate = (address: string): boolean => isIn(address, privateOnes);
  const sorted = [...new Set(found)].toSorted(
    (a, b) => Number(isPrivate(a)) - Number(isPrivate(b)) || (a < b ? -1 : 1),
  );
  return sorted.slice(0, addressesMax).map(addressUrl);
}

/** As the record of a node has it. @param address as `192.0.2.7` or `2001:db8::7` */
export function addressUrl(address: string): string {
  return isIPv6(address) ? `ip://[${address}]` : `ip://${address}`;
}

/** As many as the record of a node has. */
const addressesMax = 16;

/** Links by which the kernel goes to routers. */
async function routedLinks(): Promise<ReadonlySet<string>> {
  const gateway = 2;
  const links = new Set<string>();
  const [v4 = '', v6 = ''] = await Promise.all(
    ['/proc/net/route', '/proc/net/ipv6_route'].map(readTextIfThere),
  );
  for (const line of v4.split('\n').slice(1)) {
    const [link, , , flags = '0'] = line.split('\t');
    if (link !== undefined && (Number.parseInt(flags, 16) & gateway) !== 0) links.add(link);
  }
  for (const line of v6.split('\n')) {
    const fields = line.trim().split(/\s+/);
    const [flags = '0', link] = fields.slice(-2);
    if (link !== undefined && (Number.parseInt(flags, 16) & gateway) !== 0) links.add(link);
  }
  return links;
}

/**
 * Addresses of version 6 that go by themselves, so that nobody can follow the machine, or may not be
 * used (yet).
 */
async function passingAddresses(): Promise<ReadonlySet<string>> {
  // IFA_F_TEMPORARY, IFA_F_DADFAILED, IFA_F_DEPRECATED, IFA_F_TENTATIVE
  const passing = 0x01 | 0x08 | 0x20 | 0x40;
  const found = new Set<string>();
  for (const line of ((await readTextIfThere('/proc/net/if_inet6')) ?? '').split('\n')) {
    const [digits = '', , , , flags = '0'] = line.trim().split(/\s+/);
    if ((Number.parseInt(flags, 16) & passing) === 0) continue;
    const text = (digits.match(/.{4}/g) ?? []).join(':');
    found.add(new URL(`ip://[${text}]`).hostname.slice(1, -1));
  }
  return found;
}

async function isOnHardware(link: string, depth = 0): Promise<boolean> {
  const names: readonly string[] = await readdir(join('/sys/class/net', link)).catch(() => []);
  if (names.includes('device')) return true;
  if (depth === stackedMax) return false;
  const below = names.filter((name) => name.startsWith('lower_'));
  for (const name of below) {
    if (await isOnHardware(name.slice('lower_'.length), depth + 1)) return true;
  }
  return false;
}

/** A VLAN on a bridge on a bond on a card, and some more. */
const stackedMax = 8;

type Subnet = readonly [string, number];

const unreachable = blockList([
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['224.0.0.0', 3],
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
]);
const privateOnes = blockList([
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['fc00::', 7],
]);

function blockList(subnets: readonly Subnet[]): BlockList {
  const list = new BlockList();
  for (const [net, prefix] of subnets) list.addSubnet(net, prefix, familyOf(net));
  return list;
}

function isIn(address: string, list: BlockList): boolean {
  return list.check(address, familyOf(address));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
