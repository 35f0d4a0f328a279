import type { Random } from '@commongrid/base';
import type { JsonValue, SigningKey } from '@commongrid/crypto';
import { botIdOf, keyProof } from '@commongrid/model';
import { fakeId } from '@commongrid/model/testing';
import type { Town } from '../../src/testing/feeds-town.ts';
import type { PlainModel } from './plain-model.ts';
import { textOf } from './plain-talk.ts';

/** A bot whose root lists keys, retires them and calls them compromised, and the model of that. */
export class PlainBots {
  readonly #town: Town;
  readonly #model: PlainModel;
  readonly #name: string;
  readonly #root: SigningKey;
  readonly #devices: readonly SigningKey[];
  readonly #ends = new Map<SigningKey, 'retired' | 'compromised' | undefined>();

  /** The first key is the root. */
  constructor(town: Town, model: PlainModel, name: string, keys: readonly SigningKey[]) {
    const [root, ...devices] = keys;
    if (root === undefined) throw new Error('a bot has a root');
    this.#town = town;
    this.#model = model;
    this.#name = name;
    this.#root = root;
    this.#devices = devices;
  }

  /** Mostly nothing; else one more key, or the end of one. */
  async change(random: Random): Promise<void> {
    const isFounded = this.#model.bots.length > 0;
    if (random.int(0, 4) > 0) return;
    const device = this.#devices[random.int(0, this.#devices.length)];
    if (device === undefined) return;
    const isListed = this.#ends.has(device);
    const former = this.#ends.get(device);
    if (!isListed) this.#ends.set(device, undefined);
    else if (former !== 'compromised') {
      this.#ends.set(
        device,
        random.int(0, 2) === 0 || former === 'retired' ? 'compromised' : 'retired',
      );
    }
    const root = textOf(this.#root);
    await this.#town.say('grid.bot.1', this.#root, botIdOf(root), this.#payload());
    const { counters, bots } = this.#model;
    // Its records in the other namespace count on.
    counters.set(root, (counters.get(root) ?? 0) + 1);
    if (!isFounded) bots.push({ id: botIdOf(root), root, keys: new Map() });
    for (const [key, end] of this.#ends) bots[0]?.keys.set(textOf(key), end ?? 'valid');
  }

  #payload(): JsonValue {
    const root = textOf(this.#root);
    const id = botIdOf(root);
    const prove = (key: SigningKey): string => {
      const proof = key.sign('commongrid/key/1', keyProof(this.#town.bcdb.log, id));
      return proof.toBase64({ alphabet: 'base64url', omitPadding: true });
    };
    return {
      ...{ id, name: this.#name, root, rootProof: prove(this.#root), seal: fakeId.seal(1) },
      keys: [...this.#ends].map(([key, ended]) => ({
        ...{ key: textOf(key), role: 'device', proof: prove(key) },
        ...(ended === undefined ? {} : { ended }),
      })),
      addresses: [],
    };
  }
}
