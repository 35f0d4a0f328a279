import { shutdownSignal } from '@commongrid/base';
import type { FlistDigest } from '@commongrid/flist';
import type { ImageRecipe } from '@commongrid/solutions';

import type { CommandContext } from '../command-context.ts';
import { resolveImage } from '../commands/contract/read-contract.ts';
import type { ContractOptions } from '../commands/contract/read-contract.ts';
import { readingClient } from '../commands/hub/hub-client.ts';
import { bringImage, digestAt } from './bring-image.ts';

type ImageOptions = ContractOptions & { readonly dryRun?: true };

/** Stands for an image that only a deployment makes: a plan does not need it. */
const unmadeDigest = '0'.repeat(64) as FlistDigest;

/**
 * Gives the digest of an image by its name at the hub. Those that there are recipes for are made where the hub lacks
 * them, but not for a dry run.
 * @param onMade told of each of these
 */
export function imageFinder(
  context: CommandContext,
  options: ImageOptions,
  recipes: Readonly<Record<string, ImageRecipe>>,
  onMade: (name: string) => void,
): (name: string) => Promise<string> {
  const found = new Map<string, Promise<string>>();
  const find = async (name: string): Promise<string> => {
    const recipe = Object.hasOwn(recipes, name) ? recipes[name] : undefined;
    if (recipe === undefined) return resolveImage(context, options, name);
    const { hub } = options;
    if (options.dryRun === true) {
      const { client } = await readingClient(context, hub === undefined ? {} : { url: hub });
      return (await digestAt(client, name)) ?? unmadeDigest;
    }
    const digest = await bringImage(context, name, recipe, { hub, signal: shutdownSignal() });
    onMade(name);
    return digest;
  };
  return (name) => {
    // Several roles may have one image.
    const digest = found.get(name) ?? find(name);
    found.set(name, digest);
    return digest;
  };
}
