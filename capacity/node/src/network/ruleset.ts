import { formatRange } from './ipv4-range.ts';
import type { Ipv4Range } from './ipv4-range.ts';
import type { NetworkPort } from './networked.ts';

/** What is the same for all workloads of a node. */
export interface RulesetSettings {
  readonly table: string;
  /** The group of the node's links: what comes from a link of it came from a container. */
  readonly group: number;
  readonly range: Ipv4Range;
  readonly gateway: string;
  readonly uplinkAddress: string | undefined;
  /** Services of the node that containers may use, as others may: they know who comes. */
  readonly doors?: readonly NodeDoor[] | undefined;
}

/** Where a service of the node listens. */
export interface NodeDoor {
  readonly host: string;
  readonly port: number;
}

/** What the rules know of a workload. */
export interface Ruled {
  readonly link: string;
  readonly address: string;
  /** Workloads with the same number may reach each other. */
  readonly tenantNumber: number;
  readonly ports: readonly NetworkPort[];
}

/**
 * Where containers may not send anything: link-local addresses, where clouds tell secrets of the
 * machine; the same of Alibaba, Oracle and Azure; and what is no address of one host.
 */
const reserved =
  '0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 100.100.100.200, 168.63.129.16, 192.0.0.0/24, ' +
  '224.0.0.0/3';

/**
 * The whole table, in the language of nft. It replaces what was there at one go, so that no packet
 * ever meets half of it. Every packet meets the same few rules, however many workloads there are:
 * what differs between them stands in sets and maps.
 *
 * Priorities: what a container sends is held to its own address before connections are tracked and
 * before any address is translated; only then can a translated reply to 127.0.0.1 be told from a
 * packet that was sent there.
 */
export function rulesetText(settings: RulesetSettings, workloads: readonly Ruled[]): string {
  const { table } = settings;
  const elements = workloads.flatMap(elementsOf);
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
  set sources { type ifname . ipv4_addr; }
  map tenants { type ipv4_addr : mark; }
  set members { type mark . ipv4_addr; }
  set selves { type ipv4_addr . ipv4_addr; }
  map published { type inet_proto . inet_service : ipv4_addr . inet_service; }
${filterChains(settings)}
${addressChains(settings)}
}
${elements.map((element) => `${addText(table, element)}\n`).join('')}`;
}

/** Who may reach whom. */
function filterChains({ group, range, doors = [] }: RulesetSettings): string {
  return `
  chain sent {
    type filter hook prerouting priority raw; policy accept;
    iifgroup ${group} goto check_sent
    iifname != "lo" ip saddr ${formatRange(range)} drop
  }
  chain check_sent {
    meta nfproto != ipv4 drop
    iifname . ip saddr != @sources drop
    ip daddr 127.0.0.0/8 drop
  }

  chain to_node {
    type filter hook input priority filter; policy accept;
    iifgroup ${group} goto check_to_node
  }
  chain check_to_node {
    ct state { established, related } accept
${doors.map(doorText).join('')}    reject with icmpx admin-prohibited
  }

  chain forward {
    type filter hook forward priority filter; policy accept;
    iifgroup ${group} goto from_container
    oifgroup ${group} goto into_container
  }
  chain from_container {
    ct state { established, related } accept
    ct state invalid drop
    ct status dnat accept
    oifgroup ${group} goto between_containers
    ip daddr { ${reserved} } reject with icmpx admin-prohibited
  }
  chain between_containers {
    meta mark set ip saddr map @tenants
    meta mark . ip daddr @members meta mark set 0 accept
    reject with icmpx admin-prohibited
  }
  chain into_container {
    ct state { established, related } accept
    ct status dnat accept
    drop
  }`;
}

function doorText({ host, port }: NodeDoor): string {
  return `    ip daddr ${host} tcp dport ${port} accept\n`;
}

/** Which address is put in the place of which. */
function addressChains({ group, gateway, range, uplinkAddress }: RulesetSettings): string {
  const isAny = uplinkAddress === undefined;
  const here = isAny ? 'fib daddr type local' : `ip daddr ${uplinkAddress}`;
  const hereOrLoopback = isAny ? here : `ip daddr { ${uplinkAddress}, 127.0.0.0/8 }`;
  const publish = 'dnat ip to meta l4proto . th dport map @published';
  return `
  chain publish {
    type nat hook prerouting priority dstnat; policy accept;
    ${here} ${publish}
  }
  chain publish_here {
    type nat hook output priority -100; policy accept;
    ${hereOrLoopback} ${publish}
  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr . ip daddr @selves snat ip to ${gateway}
    oifgroup ${group} ip saddr 127.0.0.0/8 snat ip to ${gateway}
    oifgroup != ${group} ip saddr ${formatRange(range)} ${isAny ? 'masquerade' : `snat ip to ${uplinkAddress}`}
  }`;
}

/** The commands that lead from what the rules know of a workload to what they are to know. */
export function changeText(
  table: string,
  before: Ruled | undefined,
  after: Ruled | undefined,
): string[] {
  const old = before === undefined ? [] : elementsOf(before);
  const wanted = after === undefined ? [] : elementsOf(after);
  const kept = new Set(wanted.map((element) => addText(table, element)));
  const gone = old.filter((element) => !kept.has(addText(table, element)));
  return [...gone.map(({ set, key }) => `delete element inet ${table} ${set} { ${key} }`), ...kept];
}

interface Element {
  readonly set: string;
  readonly key: string;
  readonly value?: string;
}

function elementsOf({ link, address, tenantNumber, ports }: Ruled): Element[] {
  const published = ports.flatMap(({ port, protocol, publish }) =>
    publish === undefined
      ? []
      : [{ set: 'published', key: `${protocol} . ${publish}`, value: `${address} . ${port}` }],
  );
  return [
    { set: 'sources', key: `"${link}" . ${address}` },
    { set: 'tenants', key: address, value: String(tenantNumber) },
    { set: 'members', key: `${tenantNumber} . ${address}` },
    { set: 'selves', key: `${address} . ${address}` },
    ...published,
  ];
}

function addText(table: string, { set, key, value }: Element): string {
  const element = value === undefined ? key : `${key} : ${value}`;
  return `add element inet ${table} ${set} { ${element} }`;
}
