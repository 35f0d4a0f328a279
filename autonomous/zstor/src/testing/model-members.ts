import { delay } from '@commongrid/base';
import type { Clock, Random } from '@commongrid/base';
import { identityKey } from '../catalog/tlog-member.ts';
import type { TlogBinding, TlogEntry, TlogMember } from '../catalog/tlog-member.ts';
import { failed, fenced, forgot, wiped } from '../catalog/zdb-member.ts';

/** What a member has on its disk. */
export class ModelServer {
  readonly name: string;
  fence = 0;
  readonly #values = new Map<string, Buffer>();

  constructor(name: string) {
    this.name = name;
  }

  get(key: Buffer): Buffer | undefined {
    return this.#values.get(key.toString('hex'));
  }

  put({ key, value }: TlogEntry): void {
    this.#values.set(key.toString('hex'), value);
  }

  remove(key: Buffer): void {
    this.#values.delete(key.toString('hex'));
  }

  /** All is gone, and nobody is told. */
  wipe(): void {
    this.fence = 0;
    this.#values.clear();
  }
}

/**
 * What lies between a head and the members. Each message, there and back, has a delay of its own, so
 * they overtake each other; it can be lost, and a way can be closed.
 */
export class ModelNetwork {
  readonly servers: readonly ModelServer[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #closed = new Set<string>();
  /** Of each message: how likely it is lost. */
  loss = 0.02;
  delayMsMax = 40;

  constructor(names: readonly string[], clock: Clock, random: Random) {
    this.servers = names.map((name) => new ModelServer(name));
    this.#clock = clock;
    this.#random = random;
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  server(name: string): ModelServer {
    const server = this.servers.find((each) => each.name === name);
    if (server === undefined) throw new Error(`no member ${name}`);
    return server;
  }

  /** Closes or opens the way between a head and a member. */
  setOpen(head: string, member: string, isOpen: boolean): void {
    if (isOpen) this.#closed.delete(`${head} ${member}`);
    else this.#closed.add(`${head} ${member}`);
  }

  async pass(head: string, member: string): Promise<void> {
    await delay(this.#random.int(1, this.delayMsMax + 1), { clock: this.#clock });
    const isLost = this.#random.float() < this.loss;
    if (isLost || this.#closed.has(`${head} ${member}`)) throw failed(member, 'lost');
  }
}

/** A head that lives until it is killed; its messages under way may still arrive. */
export interface ModelHead {
  readonly name: string;
  isAlive: boolean;
}

/** A member of the model as one head sees it. */
export class ModelMember implements TlogMember {
  readonly name: string;
  readonly #network: ModelNetwork;
  readonly #head: ModelHead;
  #binding: TlogBinding | undefined;
  #isBound = false;
  #raisedTo = 0;

  constructor(name: string, network: ModelNetwork, head: ModelHead) {
    this.name = name;
    this.#network = network;
    this.#head = head;
  }

  fence(): Promise<number> {
    return this.#call((server) => server.fence);
  }

  bind(binding: TlogBinding): Promise<void> {
    this.#binding = binding;
    this.#isBound = false;
    return this.#call(() => {});
  }

  confirm(kept?: Buffer): Promise<void> {
    const binding = this.#binding;
    return this.#call((server) => {
      if (binding?.fence !== server.fence) throw fenced(this.name);
      checkIdentity(binding, server.get(identityKey), this.name);
      if (kept !== undefined && server.get(kept) === undefined) throw forgot(this.name);
    });
  }

  timeMs(): Promise<number> {
    return this.#call(() => this.#network.nowMs);
  }

  put(entries: readonly TlogEntry[]): Promise<void> {
    return this.#write((server) => {
      for (const entry of entries) server.put(entry);
    });
  }

  get(keys: readonly Buffer[]): Promise<readonly (Buffer | undefined)[]> {
    return this.#call((server) => keys.map((key) => server.get(key)));
  }

  remove(keys: readonly Buffer[]): Promise<void> {
    return this.#write((server) => {
      for (const key of keys) server.remove(key);
    });
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  #write(run: (server: ModelServer) => void): Promise<void> {
    const binding = this.#binding;
    return this.#call((server) => {
      if (binding?.fence !== server.fence) throw fenced(this.name);
      run(server);
    });
  }

  async #call<T>(run: (server: ModelServer) => T): Promise<T> {
    if (!this.#head.isAlive) throw failed(this.name, 'killed');
    const binding = this.#isBound ? undefined : this.#binding;
    const isNew = binding?.isNew === true && this.#raisedTo !== binding.fence;
    await this.#network.pass(this.#head.name, this.name);
    const server = this.#network.server(this.name);
    // As a connection that begins with it: nothing is asked without.
    if (binding !== undefined) bindTo(server, { ...binding, isNew });
    const result = run(server);
    await this.#network.pass(this.#head.name, this.name);
    if (!this.#head.isAlive) throw failed(this.name, 'killed');
    if (binding === undefined || binding !== this.#binding) return result;
    this.#isBound = true;
    if (isNew) this.#raisedTo = binding.fence;
    return result;
  }
}

function bindTo(server: ModelServer, binding: TlogBinding): void {
  const { fence, isNew = false } = binding;
  if (isNew ? fence <= server.fence : fence < server.fence) throw fenced(server.name);
  const found = server.get(identityKey);
  server.fence = fence;
  checkIdentity(binding, found, server.name);
}

function checkIdentity(binding: TlogBinding, found: Buffer | undefined, name: string): void {
  const { identity } = binding;
  if (identity === undefined ? found === undefined : found?.equals(identity) === true) return;
  throw wiped(name, found !== undefined);
}
