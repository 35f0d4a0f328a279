import { access, readdir, readFile, statfs, unlink, writeFile } from 'node:fs/promises';

import { errorCode, runProgram } from '@commongrid/base';

import { deleteByIp, mainRoutes, runIp } from '../sys/ip.ts';

export interface ContainerLinksOptions {
  /** Before the short id, in the names of namespaces and links. */
  readonly prefix: string;
  readonly group: number;
  readonly gateway: string;
}

/**
 * The network namespace of each container, and the pair of links between it and the machine. Both
 * have the name `prefix + short id`; inside, the link is `eth0`.
 *
 * There is no bridge: each pair is a network of its own, with the gateway at one end and one address
 * at the other, and the machine routes. Containers share no Ethernet on which one could claim the
 * address of another. On a bridge, the kernel's br_netfilter, which is on wherever Docker is, sends
 * what is translated from one container to another past the router.
 *
 * Whether all of it is there is told by a number in `net.ipv4.conf.LINK.tag`, which the kernel keeps
 * for whoever wants one. It is written last.
 */
export class ContainerLinks {
  readonly #options: ContainerLinksOptions;

  constructor(options: ContainerLinksOptions) {
    this.#options = options;
  }

  pathOf(name: string): string {
    return `${namespaceFolder}/${name}`;
  }

  /** Names of which anything is there. */
  async list(): Promise<ReadonlySet<string>> {
    const [namespaces, links] = await Promise.all([
      namesIn(namespaceFolder),
      namesIn(linkSettings),
    ]);
    const pattern = new RegExp(`^${this.#options.prefix}[0-9a-f]{12}$`);
    return new Set([...namespaces, ...links].filter((name) => pattern.test(name)));
  }

  hasNamespace(name: string): Promise<boolean> {
    return isNamespace(this.pathOf(name));
  }

  /** Of those given, by name and address, the ones of which all is there. */
  async whole(addresses: ReadonlyMap<string, string>): Promise<ReadonlySet<string>> {
    const routes = new Map((await mainRoutes()).map(({ dst, dev }) => [dst, dev]));
    const names = [...addresses].filter(([name, address]) => routes.get(address) === name);
    const checked = await Promise.all(
      names.map(async ([name]) => {
        const isWhole = (await isTagged(name)) && (await this.hasNamespace(name));
        return isWhole ? [name] : [];
      }),
    );
    return new Set(checked.flat());
  }

  /** Makes what is missing. A namespace that is there stays: a container may run in it. */
  async build(name: string, address: string): Promise<void> {
    if (await this.hasNamespace(name)) {
      if ((await this.whole(new Map([[name, address]]))).has(name)) return;
      await deleteByIp(() => linkDeletions([name]));
      await this.#create(name, address, false);
      return;
    }
    await this.remove([name]);
    await this.#create(name, address, true);
  }

  /**
   * Takes away namespaces and links. The link first, which ends at once: what a namespace takes with
   * it, the kernel removes some time later.
   */
  async remove(names: Iterable<string>): Promise<void> {
    const all = [...names];
    await deleteByIp(async () => {
      const commands = [...(await linkDeletions(all))];
      for (const name of all) {
        if (await this.hasNamespace(name)) commands.push(`netns delete ${name}`);
        else await removeTorn(this.pathOf(name));
      }
      return commands;
    });
  }

  /** Takes away all links at once, which takes no longer than one, and then the namespaces. */
  async removeAll(): Promise<void> {
    const names = await this.list();
    await deleteByIp(async () => {
      const hasAny = (await linkDeletions(names)).length > 0;
      return hasAny ? [`link delete group ${this.#options.group}`] : [];
    });
    await this.remove(names);
  }

  async #create(name: string, address: string, isNew: boolean): Promise<void> {
    const { group, gateway } = this.#options;
    const quiet = (await exists('/proc/sys/net/ipv6')) ? ' addrgenmode none' : '';
    await runIp([
      ...(isNew ? [`netns add ${name}`] : []),
      `link add ${name} group ${group} type veth peer name eth0 netns ${name}`,
      `link set ${name}${quiet} up`,
      `address add ${gateway}/32 dev ${name}`,
      `route add ${address}/32 dev ${name}`,
    ]);
    // ip could do it, too, and would copy the table of mounts, with a mount for each namespace.
    const inside = ['sh', '-ec', insideScript(address, gateway)];
    await runProgram('nsenter', [`--net=${this.pathOf(name)}`, ...inside]);
    // Replies to connections from 127.0.0.1 come in here. The rules let nothing else through that
    // is sent to a loopback address.
    await writeFile(`${linkSettings}/${name}/route_localnet`, '1');
    await writeFile(`${linkSettings}/${name}/tag`, recipe);
  }
}

const namespaceFolder = '/run/netns';
const linkSettings = '/proc/sys/net/ipv4/conf';

/** Another number for whatever is made in another way, so that it is made anew. */
const recipe = '1';

/** Of file systems of namespaces, by statfs. */
const namespaceMagic = 0x6e736673;

/**
 * What is done inside. The namespace belongs to the machine, not to the user namespace of the
 * container, whose root could else neither listen below 1024 nor ping.
 */
function insideScript(address: string, gateway: string): string {
  return `
cd /proc/sys/net
if [ -e ipv6 ]; then
  echo 1 > ipv6/conf/all/disable_ipv6
  echo 1 > ipv6/conf/default/disable_ipv6
fi
echo 0 > ipv4/ip_unprivileged_port_start
echo 0 2147483647 > ipv4/ping_group_range
exec ip -batch - << end
link set lo up
link set eth0 up
address replace ${address}/32 dev eth0
route replace default via ${gateway} dev eth0 onlink
end
`;
}

async function isTagged(link: string): Promise<boolean> {
  try {
    return (await readFile(`${linkSettings}/${link}/tag`, 'utf8')).trim() === recipe;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Commands of ip for the links that are there. */
async function linkDeletions(names: Iterable<string>): Promise<readonly string[]> {
  const commands: string[] = [];
  for (const name of names) if (await isLink(name)) commands.push(`link delete ${name}`);
  return commands;
}

function isLink(name: string): Promise<boolean> {
  return exists(`${linkSettings}/${name}`);
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function isNamespace(path: string): Promise<boolean> {
  try {
    return (await statfs(path)).type === namespaceMagic;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

/** The file that ip leaves when it is killed before it puts the namespace over it. */
async function removeTorn(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}
