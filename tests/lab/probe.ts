/** Requests a URL once; returns true for a 2xx response, else the reason. */
export async function probeOnce(url: string, options: Deno.CreateHttpClientOptions = {}): Promise<true | string> {
  const answer = await ask(url, options);
  if (typeof answer === "string") return answer;
  return answer.status < 300 ? true : `${url} answers ${answer.status}: ${answer.body.slice(0, 500)}`;
}

/** Requests a URL once, within five seconds; returns the response, or the reason why there is none. */
export async function ask(
  url: string,
  options: Deno.CreateHttpClientOptions,
): Promise<{ status: number; body: string } | string> {
  using client = Deno.createHttpClient(options);
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(new Error("no response within 5 s")), 5_000);
  try {
    const response = await fetch(url, { client, signal: deadline.signal });
    return { status: response.status, body: await response.text() };
  } catch (error) {
    return `${url}: ${(error as Error).message}`;
  } finally {
    clearTimeout(timer);
  }
}
