import type { ZdbNamespace } from '@commongrid/model';
import type { ZdbDoor } from './zdb-driver.ts';

/** How many addresses the record of a node has at most. */
const addressesMax = 16;

/**
 * Where a node is reached, as its record has it: the machine first, and behind that its Zero-DBs, one for
 * each kind of disk, `zdbs://192.0.2.7:9911/ssd#5f0c…`: TLS, and the SHA-256 of the certificate to trust.
 */
export function addressesWithDoors(
  machine: readonly string[],
  doors: readonly ZdbDoor[],
): readonly string[] {
  return [...machine.slice(0, addressesMax - doors.length), ...doors.map(zdbAddress)];
}

/** The Zero-DB for a kind of disk among addresses of a node; undefined where it names none. */
export function zdbDoorIn(
  addresses: readonly string[],
  disk: ZdbNamespace['disk'],
): ZdbDoor | undefined {
  for (const address of addresses) {
    const [, bracketed, plain, digits = '', kind, fingerprint = ''] =
      addressPattern.exec(address) ?? [];
    const [host, port] = [bracketed ?? plain, Number(digits)];
    if (host !== undefined && kind === disk && port >= 1 && port <= 65_535) {
      return { disk, host, port, fingerprint };
    }
  }
  return undefined;
}

const addressPattern =
  /^zdbs:\/\/(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]#]+)):(\d{1,5})\/(ssd|hdd)#([0-9a-f]{64})$/;

function zdbAddress({ disk, host, port, fingerprint }: ZdbDoor): string {
  const name = host.includes(':') ? `[${host}]` : host;
  return `zdbs://${name}:${port}/${disk}#${fingerprint.replaceAll(':', '').toLowerCase()}`;
}
