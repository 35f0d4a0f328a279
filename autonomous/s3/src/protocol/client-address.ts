import { BlockList, isIP } from 'node:net';

/** Who asks, and whether the bytes came encrypted. */
export interface Client {
  /** Empty once the connection is gone. */
  readonly remoteAddress: string;
  readonly isSecure: boolean;
}

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** Whose word on the client of a request is taken: proxies that end TLS in front of the endpoint. */
export class TrustedProxies {
  readonly #list = new BlockList();
  readonly #isEmpty: boolean;

  /** @param addresses of the proxies; anything else is left out */
  constructor(addresses: readonly string[]) {
    for (const address of addresses) {
      const version = isIP(address);
      if (version !== 0) this.#list.addAddress(address, version === 4 ? 'ipv4' : 'ipv6');
    }
    this.#isEmpty = addresses.length === 0;
  }

  /**
   * The client of a connection, or the one that a trusted proxy names: of X-Forwarded-For the last
   * that is no trusted proxy, since whoever asks may write the others.
   */
  clientOf(address: string | undefined, headers: Headers): Client {
    const peer = plainAddress(address ?? '');
    if (this.#isEmpty || !this.#has(peer)) return { remoteAddress: peer, isSecure: false };
    const named = textOf(headers['x-forwarded-for']).split(',').map(plainAddress);
    const client = named.findLast((one) => isIP(one) !== 0 && !this.#has(one));
    const protocol = textOf(headers['x-forwarded-proto']).split(',').at(-1) ?? '';
    const isSecure = protocol.trim().toLowerCase() === 'https';
    return { remoteAddress: client ?? peer, isSecure };
  }

  #has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 4 ? 'ipv4' : 'ipv6');
  }
}

/** IPv4 as such, not inside of IPv6. */
function plainAddress(address: string): string {
  return address.trim().replace(/^::ffff:(?=\d+\.)/, '');
}

function textOf(value: string | string[] | undefined): string {
  return Array.isArray(value) ? value.join(',') : (value ?? '');
}
