import { readFile } from 'node:fs/promises';

import { RespClient } from '@commongrid/resp';

import { backendNamespaces } from './backends-file.ts';
import { parseFields } from './commands/zdb/info-fields.ts';
import type { GridHome } from './home.ts';
import { loopback } from './ports.ts';

/**
 * Makes the namespaces of a Zero-DB that storage uses where they are missing: it is new, or was
 * emptied. Throws as `RespClient` when it does not answer or refuses.
 */
export async function makeBackendNamespaces(home: GridHome, port: number): Promise<void> {
  const admin = await readSecret(home.zdbPasswordFile);
  const password = await readSecret(home.backendsPasswordFile);
  await using client = await RespClient.connect({ host: loopback, port, password: admin });
  const reply = await client.command(['NSLIST']);
  const known = new Set(Array.isArray(reply) ? reply.map(String) : []);
  for (const name of Object.values(backendNamespaces)) {
    if (!known.has(name)) await client.command(['NSNEW', name]);
    const info = await client.command(['NSINFO', name]);
    const fields = parseFields(Buffer.isBuffer(info) ? info.toString() : '');
    // A start that was cut off may have left it without.
    if (fields['password'] !== 'yes') await client.command(['NSSET', name, 'password', password]);
    if (fields['public'] !== 'no') await client.command(['NSSET', name, 'public', '0']);
  }
}

async function readSecret(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim();
}
