// A file that only a token opens: fetched piece by piece, then handed to the browser to keep.
import { session } from '../auth/session.svelte';
import { respond } from './client';
import { NetworkError } from './problem';

/** Saves the file under the name that the server gives it; `reached` hears how many bytes are here. */
export async function download(path: string, reached: (bytes: number) => void): Promise<void> {
  const response = await respond(session, path, { as: 'text' });
  const name = /filename="([^"]+)"/.exec(response.headers.get('Content-Disposition') ?? '')?.[1] ?? 'download';
  const parts: BlobPart[] = [];
  let bytes = 0;
  try {
    const reader = response.body!.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      parts.push(next.value);
      bytes += next.value.length;
      reached(bytes);
    }
  } catch (error) {
    throw new NetworkError(error);
  }
  save(name, new Blob(parts, { type: response.headers.get('Content-Type') ?? '' }));
}

export function save(name: string, content: Blob): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken it over by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
