import { isGridError } from '@commongrid/base';
import type { ChunkSink, FlistDigest, HubClient, MadeImage } from '@commongrid/flist';
import type { ImageRecipe } from '@commongrid/solutions';

import type { CommandContext } from '../command-context.ts';
import { digestOf, signingClient } from '../commands/hub/hub-client.ts';
import { keepFlist, withRepository } from '../commands/flist/made-flist.ts';
import { createSystemFlist } from '../system-flist.ts';
import { withProgress } from '../terminal.ts';
import { createProgramFlist } from './program-image.ts';

export interface BringOptions {
  /** Origin of the hub; undefined: that of `grid up`. */
  readonly hub: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Sees to it that the hub has an image of a solution, and gives its digest. One of programs is made where the hub has no
 * such name; that of the grid itself is made each time, for the checkout may be newer, and only what is new is brought.
 * @throws SOLUTION_IMAGE_UNMADE, and what the hub refuses with
 */
export async function bringImage(
  context: CommandContext,
  name: string,
  recipe: ImageRecipe,
  { hub, signal }: BringOptions,
): Promise<FlistDigest> {
  const { client } = await signingClient(context, hub === undefined ? {} : { url: hub });
  const there = recipe.of === 'programs' ? await digestAt(client, name) : undefined;
  if (there !== undefined) return there;
  const digest = await withProgress(
    context.terminal,
    `making the image ${name}`,
    withRepository(context, {}, async (repository) => {
      const { flist } = await make(context, recipe, repository, signal);
      const made = await keepFlist(repository, flist);
      await client.upload(made, repository, { signal });
      return made;
    }),
  );
  await client.sign(digest, { signal });
  // Last: who finds the name finds all of it.
  await client.name(`${await client.owner()}/${name}`, digest, { signal });
  return digest;
}

/** The image of that name; undefined where the hub has none. */
export async function digestAt(client: HubClient, name: string): Promise<FlistDigest | undefined> {
  try {
    return await digestOf(client, name);
  } catch (error) {
    if (isGridError(error, 'HUB_NOT_FOUND')) return undefined;
    throw error;
  }
}

function make(
  { root }: CommandContext,
  recipe: ImageRecipe,
  sink: ChunkSink,
  signal: AbortSignal,
): Promise<MadeImage> {
  if (recipe.of === 'system') return createSystemFlist(root, sink, signal);
  return createProgramFlist(recipe, sink, signal);
}
