// Locks the folder given, says so, and stays until it is told to end or killed.
import { FolderLock, isGridError } from '../../src/index.ts';

const [folder = ''] = process.argv.slice(2);
try {
  const lock = await FolderLock.open(folder);
  console.log('locked');
  process.stdin.once('end', () => void lock.close().then(() => process.exit(0)));
  process.stdin.resume();
} catch (error) {
  if (!isGridError(error, 'BASE_FOLDER_LOCKED')) throw error;
  console.log('refused');
}
