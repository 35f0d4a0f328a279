import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';

/**
 * Whether something runs with the grid that its owner may do without. His choice is kept: whoever wants none says it
 * once, and then a file says so.
 * @param wanted undefined: as it was before
 */
export async function keepChoice(noneFile: string, wanted: boolean | undefined): Promise<boolean> {
  if (wanted === true) await rm(noneFile, { force: true });
  if (wanted === false) await writeFile(noneFile, '');
  return !existsSync(noneFile);
}
