/** Rows of the card; words are read down each column. */
const rowCount = 6;

/** Recovery words in a frame, numbered. `style` paints each word. */
export function wordCard(words: readonly string[], style: (word: string) => string): string {
  const columnCount = Math.ceil(words.length / rowCount);
  const cellWidth = Math.max(...words.map((word) => word.length)) + 5;
  const lines = Array.from({ length: rowCount }, (_row, row) =>
    Array.from({ length: columnCount }, (_column, column) => {
      const index = column * rowCount + row;
      const word = words[index] ?? '';
      // Styles are no part of the width.
      const gap = ' '.repeat(cellWidth - 4 - word.length);
      return `${String(index + 1).padStart(2)}. ${style(word)}${gap}`;
    }).join(''),
  );
  const title = ' your 24 words ';
  const width = columnCount * cellWidth + 3;
  const top = `+--${title}${'-'.repeat(width - title.length - 2)}+`;
  const bottom = `+${'-'.repeat(width)}+`;
  return [top, ...lines.map((line) => `|  ${line} |`), bottom].join('\n');
}
