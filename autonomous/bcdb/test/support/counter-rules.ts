import type { JsonValue } from '@commongrid/crypto';
import { systemUrls } from '../../src/record/system-records.ts';
import { refusal } from '../../src/state/refusal.ts';
import type { Validator, Validators } from '../../src/state/validator.ts';
import { FoldWorld } from '../../src/testing/fold-world.ts';

export const counterUrl = 'net.example.counter.1';

/** Counters begin at 1, grow by 1, and are never taken away. */
const counterRules: Validator = (view, { ns, url, obj, op, value }) => {
  const before = view.document<{ readonly count: number }>({ ns, url, obj })?.value.count ?? 0;
  const count = (value as { readonly count?: JsonValue } | undefined)?.count;
  if (op === 'put' && count === before + 1) return;
  throw refusal('BCDB_RULE_BROKEN', `${obj} stands at ${before}`, {
    details: { rule: 'COUNTER_STEP', before },
  });
};

/** A validator as simple as one can be, to show what every other one relies on. */
export const counterValidators: Validators = new Map([['counter@1', counterRules]]);

/** A world whose namespace `team` has the rules of counters. */
export function counterWorld(validators: Validators = counterValidators): FoldWorld {
  const world = new FoldWorld(validators);
  const grants = [{ to: world.admin.publicKey.text, rights: ['admin'] }];
  const value = { grants, validator: 'counter@1' };
  const schema = {
    type: 'object',
    properties: { count: { type: 'integer' } },
    required: ['count'],
  };
  for (const said of [
    { url: systemUrls.namespace, obj: 'namespace', value },
    { url: systemUrls.schema, obj: counterUrl, value: { url: counterUrl, schema } },
  ]) {
    const { refusal: fault } = world.say(world.admin, said);
    if (fault !== undefined) throw fault;
  }
  return world;
}

/** What the golden log says, in order. */
export function tellGolden(world: FoldWorld): void {
  const count = (obj: string, value: number): void => {
    world.say(world.admin, { url: counterUrl, obj, value: { count: value } });
  };
  count('a', 1);
  count('a', 2);
  count('a', 4);
  for (const seen of [undefined, { size: 9, root: 'A'.repeat(43) }]) {
    world.say(world.admin, { url: counterUrl, obj: 'a', value: { count: 3 }, seen });
  }
  count('b', 0);
  count('b', 1);
  world.say(world.admin, { url: counterUrl, obj: 'a', op: 'del' });
  world.say(world.admin, { url: counterUrl, obj: 'a', op: 'erase' });
  world.say(world.person('eve'), { url: counterUrl, obj: 'a', value: { count: 3 } });
  world.tick(2_000_000);
  count('a', 3);
}
