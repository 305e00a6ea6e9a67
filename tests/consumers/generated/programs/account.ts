// What a program read, told from the fields of types that a tool generated.

import { readFileSync } from "node:fs";

interface Change {
  from: any;
  to: any;
}

/** What the events about rows have in common, whatever tool wrote their types. */
interface RowEvent {
  sender: string;
  signal: string;
  created: boolean | null;
  instance: unknown;
  original: unknown;
  changes: Record<string, Change> | null;
  update_fields: string[] | null;
  origin: string | null;
  actor: string | null;
}

/** The words of an event about a row; `label` says what its snapshots are. */
export function row<E extends RowEvent>(
  event: E,
  label: (snapshot: E["instance"]) => string,
): string[] {
  const { changes, original } = event;
  const price = changes?.price;
  return [
    event.sender,
    event.signal,
    `created=${event.created}`,
    `instance=${label(event.instance)}`,
    `original=${original === null ? null : label(original)}`,
    `changes=${changes === null ? null : Object.keys(changes).sort()}`,
    `price=${price === undefined ? null : `${price.from}>${price.to}`}`,
    `update_fields=${event.update_fields}`,
    `origin=${event.origin}`,
    `actor=${event.actor}`,
  ];
}

/** Answers each line of the input, a type and a body, with what `account` makes of them. */
export function answer(account: (type: string, body: string) => string[]): void {
  for (const line of readFileSync(0, "utf8").split("\n")) {
    if (line) {
      const [type, body] = line.split("\t");
      console.log(account(type, body).join(" "));
    }
  }
}
