// What is asked of the server. A refusal becomes an Error with its `code`.

const TOKEN = "striate-token";
const API = { name: null, token: sessionStorage.getItem(TOKEN) };

function remember(token) {
  API.token = token;
  if (token) sessionStorage.setItem(TOKEN, token); else sessionStorage.removeItem(TOKEN);
}

async function ask(path, { body = null, query = {}, as = "json" } = {}) {
  const words = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== null));
  const headers = API.token ? { Authorization: `Bearer ${API.token}` } : {};
  if (body) headers["Content-Type"] = "application/octet-stream";
  let reply;
  try {
    reply = await fetch(`${path}?${words}`, { method: body ? "POST" : "GET", body, headers });
  } catch {
    throw Object.assign(new Error("The server does not answer. Is it still running?"), { code: "gone" });
  }
  if (reply.ok) return reply[as]();
  const told = await reply.json().catch(() => ({ error: `The server answered ${reply.status}`, code: "failed" }));
  throw Object.assign(new Error(told.error), { code: told.code });
}

const aboutClassifier = () => ask("/classifier", { query: { classifier: API.name } });
const answerTo = (image) => ask("/predict", { body: image, query: { classifier: API.name } });
const heatOf = (image) => ask("/explain", { body: image, query: { classifier: API.name } });

// Calls `work` with the latest of what it is given, one call at a time: what comes meanwhile replaces what waits.
function latest(work) {
  let waiting = null, busy = false;
  return async (value) => {
    waiting = { value };
    if (busy) return;
    busy = true;
    while (waiting) {
      const { value: next } = waiting;
      waiting = null;
      await work(next);
    }
    busy = false;
  };
}
