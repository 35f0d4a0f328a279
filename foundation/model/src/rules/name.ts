/** Names that one bot or farm can have had, the present one included. */
export const namesMax = 8;

/**
 * Whether a text can be a name: 3 to 32 of a-z, 0-9 and single dashes, which stand between others.
 * ASCII only, so that no letter of another script can pass for one of these.
 */
export function isName(text: string): boolean {
  return text.length >= 3 && text.length <= 32 && /^[a-z0-9]+(?:-[a-z0-9]+)*$/.test(text);
}

/** What people type, as a name: capitals and spaces around it are no difference. */
export function normalName(text: string): string {
  return text.trim().replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/**
 * What two names must not share: they look the same to somebody who reads in a hurry. Zero passes for
 * the letter o, one for the letter l.
 */
export function nameSkeleton(name: string): string {
  return name.replaceAll('0', 'o').replaceAll('1', 'l');
}
