// Requests to the API of a PBX.

/** As much of an answer is read; bytes. As in crates/offhook-core/src/pbx/http.rs. */
const MOST = 1 << 20;
/** The core gives a request up by itself, and is right about it in a background tab; the browser does so later; ms. */
const LATER = 1_000;

/**
 * `[status, body, failure]`: without a failure the answer is whole, with status 0 there is none. The token is in a header
 * of the core's, so nothing of the browser's (cookies, certificates) goes with it, and it follows no redirect.
 */
export async function ask(base, { method, path, headers, body, deadlineMs }, abort) {
  const late = setTimeout(() => abort.abort(), deadlineMs + LATER);
  let status = 0;
  try {
    const response = await fetch(base + path, {
      method,
      headers,
      body,
      signal: abort.signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
    });
    ({ status } = response);
    const chunks = [];
    const reader = response.body?.getReader();
    for (let size = 0; reader; ) {
      const { done, value } = await reader.read();
      if (done) break;
      size += value.length;
      if (size > MOST) {
        abort.abort();
        return [status, new Uint8Array(), 'tooLarge'];
      }
      chunks.push(value);
    }
    return [status, new Uint8Array(await new Blob(chunks).arrayBuffer()), ''];
  } catch ({ message }) {
    const why = status ? '' : ` (not there, its certificate is not trusted, or it does not let pages of ${location.origin} ask)`;
    return [status, new Uint8Array(), message + why];
  } finally {
    clearTimeout(late);
  }
}
