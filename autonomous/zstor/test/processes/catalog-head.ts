/**
 * A head that a test stops and kills. Arguments: folder, folder of snapshots, port of the members.
 * Each line of its input is a command, `read NAME` or `write NAME VALUE`; each gets one line back.
 */
import { createInterface } from 'node:readline';
import { errorCode } from '@commongrid/base';
import { Catalog } from '../../src/catalog/catalog.ts';
import { ZdbMember } from '../../src/catalog/zdb-member.ts';
import { FolderSnapshots } from '../../src/testing/folder-snapshots.ts';
import { metadataKey, registersOf, schema, setRegister } from '../support/catalog-fixture.ts';

const [folder = '', snapshots = '', port = ''] = process.argv.slice(2);
await using catalog = await Catalog.open({
  folder,
  metadataKey,
  members: ['m0', 'm1', 'm2', 'm3', 'm4'],
  openMember: (name) => new ZdbMember({ name, port: Number(port), namespace: name }),
  schema,
  snapshots: new FolderSnapshots(snapshots),
});
await catalog.takeOver();
process.stdout.write('serving\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [command, name = '', value] = line.split(' ');
  process.stdout.write(`${await answer(command, name, Number(value))}\n`);
}

async function answer(command: string | undefined, name: string, value: number): Promise<string> {
  try {
    if (command === 'write') {
      await catalog.write(setRegister(name, value));
      return 'done';
    }
    const found = registersOf(catalog)[name];
    catalog.requireLease();
    return String(found);
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
}
