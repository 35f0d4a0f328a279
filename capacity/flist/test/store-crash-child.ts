// Fetches an image into a store, and says after each file that it has it, until it is killed.
import { FlistRepository, ObjectStore, objectIdOf, SourceSet, walkTree } from '../src/index.ts';
import { parseFlistDigest } from '../src/format/flist.ts';
import { DirectorySource } from '../src/sources/directory-source.ts';
import { chunkCountOf } from '../src/store/file-chunks.ts';

const [, , folder = '', repositoryFolder = '', digestText = ''] = process.argv;
const digest = parseFlistDigest(digestText);
if (digest === undefined) throw new Error('give a digest');
await using repository = await FlistRepository.open({ folder: repositoryFolder });
const flist = await repository.getFlist(digest);
if (flist === undefined) throw new Error('the image is not there');
const sources = new SourceSet({ sources: [{ source: new DirectorySource(repositoryFolder) }] });
await using store = await ObjectStore.open({ folder, maxBytes: 1e9, sources });
await store.addFlist(digest, flist);
store.pin('child', digest);
for (const { inode } of walkTree(flist.root)) {
  if (inode.kind !== 'file') continue;
  await store.need(objectIdOf(inode), 0, chunkCountOf(inode));
  process.stdout.write('.');
}
process.stdout.write('!');
