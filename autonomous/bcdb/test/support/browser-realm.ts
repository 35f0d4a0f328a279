import fs from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import vm from 'node:vm';

/*
 * A program of its own: loads a module and all that it imports into a realm that has what the
 * language and a browser have and nothing of Node, calls one of its functions, prints the result.
 * Needs `--experimental-vm-modules`. Arguments: the module, the function, its arguments as JSON.
 */

const realm = vm.createContext({ TextEncoder, TextDecoder });
const modules = new Map<string, vm.SourceTextModule>();

function load(url: string): vm.SourceTextModule {
  const known = modules.get(url);
  if (known !== undefined) return known;
  if (!url.startsWith('file:')) throw new Error(`a browser has no ${url}`);
  const source = fs.readFileSync(fileURLToPath(url), 'utf8');
  const code = url.endsWith('.ts') ? stripTypeScriptTypes(source) : source;
  const module = new vm.SourceTextModule(code, { identifier: url, context: realm });
  modules.set(url, module);
  return module;
}

/** A bundler finds packages by the same rules. */
function resolve(specifier: string, from: string): string {
  return import.meta.resolve(specifier, from);
}

const [file = '', name = '', json = ''] = process.argv.slice(2);
const entry = load(pathToFileURL(file).href);
await entry.link((specifier, { identifier }) => load(resolve(specifier, identifier)));
await entry.evaluate();
const { [name]: called } = entry.namespace as Record<string, (...parts: unknown[]) => unknown>;
const parts = JSON.parse(json) as unknown[];
process.stdout.write(JSON.stringify({ result: called?.(...parts), modules: [...modules.keys()] }));
