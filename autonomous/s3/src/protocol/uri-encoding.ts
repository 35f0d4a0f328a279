const plain = /^[A-Za-z0-9\-._~/]*$/;
const escaped = /[%\u0080-\uffff]/;

/**
 * A text as AWS escapes it: every byte of its UTF-8 but A-Z a-z 0-9 - . _ ~ as %XX.
 * The slash stays with `keepSlash`, as in a path.
 */
export function uriEncode(text: string, keepSlash = false): string {
  if (plain.test(text) && (keepSlash || !text.includes('/'))) return text;
  const all = encodeURIComponent(text).replace(/[!'()*]/g, escapeOf);
  return keepSlash ? all.replaceAll('%2F', '/') : all;
}

/**
 * The text that was escaped; undefined when it has a broken escape, or its bytes are no UTF-8.
 * Bytes that a client did not escape stand for themselves: node:http gives them as latin1.
 */
export function uriDecode(raw: string): string | undefined {
  if (!escaped.test(raw)) return raw;
  try {
    return decodeURIComponent(raw.replace(/[\u0080-\u00ff]/g, escapeOf));
  } catch {
    return undefined;
  }
}

function escapeOf(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;
}
