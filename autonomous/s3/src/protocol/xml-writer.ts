/** An element and what is in it; undefined ones are left out. Attributes stand behind the name. */
export type XmlNode = readonly [name: string, content: XmlContent];
export type XmlContent = string | number | boolean | undefined | readonly (XmlNode | undefined)[];

const namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
/** Every document begins with it. */
export const xmlDeclaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
/** Markup, carriage returns, which readers change, and what XML 1.0 has no character for. */
// oxlint-disable-next-line no-control-regex
const special = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/;
// oxlint-disable-next-line no-control-regex
const specials = /[&<>"\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g;
const names: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

/** A document with S3's namespace; errors have none. */
export function writeXml(name: string, content: XmlContent, hasNamespace = true): string {
  const root = hasNamespace ? `${name} xmlns="${namespace}"` : name;
  return xmlDeclaration + writeNode([root, content]);
}

/** `value` as the text of an element or attribute; control characters as `&#x1;`, as S3 does. */
function escapeXml(value: string): string {
  if (!special.test(value)) return value;
  return value.replace(
    specials,
    (character) => names[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );
}

function writeNode([tag, content]: XmlNode): string {
  if (content === undefined) return '';
  const space = tag.indexOf(' ');
  const name = space < 0 ? tag : tag.slice(0, space);
  if (typeof content !== 'object') return `<${tag}>${escapeXml(String(content))}</${name}>`;
  let inner = '';
  for (const node of content) if (node !== undefined) inner += writeNode(node);
  return `<${tag}>${inner}</${name}>`;
}
