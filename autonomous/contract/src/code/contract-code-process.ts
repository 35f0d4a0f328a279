import { writeSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';

import { NotPlainError, plainValue } from '../definition/plain-value.ts';

/** What the process answers on the descriptor that it was given. */
export type CodeAnswer =
  | { readonly is: 'contract'; readonly value: unknown }
  | { readonly is: 'invalid'; readonly path: string; readonly message: string }
  | { readonly is: 'denied' | 'failed'; readonly message: string };

const [file = '', descriptor = ''] = process.argv.slice(2);

/** Authors have the types of the whole package, and need this alone of it when their code runs. */
const door = new URL('../definition/contract.ts', import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@commongrid/contract'
      ? { url: door, shortCircuit: true }
      : next(specifier, context),
});

// The permissions of Node do not cover signals to other processes of this user.
for (const name of ['kill', '_kill', '_debugProcess']) {
  Reflect.defineProperty(process, name, {
    value: () => {
      throw Object.assign(new Error(`process.${name} is not for contracts`), {
        code: 'ERR_ACCESS_DENIED',
      });
    },
  });
}

answer(await run());
process.exit(0);

async function run(): Promise<CodeAnswer> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    const value = await module.default;
    if (value !== undefined) return { is: 'contract', value: plainValue(value) };
    return { is: 'failed', message: 'it has no default export' };
  } catch (error) {
    if (error instanceof NotPlainError) {
      return { is: 'invalid', path: error.path, message: error.message };
    }
    if (!(error instanceof Error)) return { is: 'failed', message: String(error) };
    const isDenied = Reflect.get(error, 'code') === 'ERR_ACCESS_DENIED';
    const asked = [Reflect.get(error, 'permission'), Reflect.get(error, 'resource')];
    const what = asked.filter((one) => typeof one === 'string' && one !== '').join(' ');
    if (isDenied) return { is: 'denied', message: what || error.message };
    return { is: 'failed', message: `${error.name}: ${error.message}` };
  }
}

function answer(value: CodeAnswer): void {
  const bytes = Buffer.from(JSON.stringify(value));
  for (let at = 0; at < bytes.length;) at += writeSync(Number(descriptor), bytes, at);
}
