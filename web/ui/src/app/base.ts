/* Where the pages live. Taken once: the server's <base> is relative to the path that was asked for first. */
export const BASE_URL = typeof document === 'undefined' ? new URL('http://localhost/') : new URL('.', document.baseURI);
