// The load test: virtual users add a memory, search for it, and pause. The plan beside this file sets the number of users,
// the duration and the thresholds; it is generated from the stack file.
//
// The requests are those of MCP clients (JSON-RPC in POST requests, "Streamable HTTP") and call the tools listed in
// docs/openmemory-image.md.

import http from 'k6/http';
import { check, sleep } from 'k6';
import { Rate } from 'k6/metrics';

const plan = JSON.parse(open('./plan.json'));
const token = __ENV.MEMORY_TOKEN;

export const options = plan.options;

// The share of added memories that a search finds.
const kept = new Rate('memory_kept');

// Each virtual user has its own session.
let session = null;
let requests = 0;

export function setup() {
  if (plan.demandsToken && !token) {
    throw new Error('this stack requires a user token: create the Secret memory-load-test-token as described in docs/how-to/run-a-load-test.md');
  }
}

export default function () {
  if (session === null) {
    session = begin();
  }
  // A unique number, so that a result with it is this memory.
  const number = `${__VU}-${__ITER}-${Date.now()}`;
  // Stored verbatim. Extracting facts with a model would test the model and cost money.
  const added = use('add_memories', { text: `The number of my ticket is ${number}.`, infer: false });
  check(added, { 'a memory is added': (answer) => answer !== null });
  const found = use('search_memory', { query: `What is the number of my ticket ${number}?` });
  check(found, { 'memories are searched': (answer) => answer !== null });
  kept.add(found !== null && JSON.stringify(found).includes(number));
  sleep(1);
}

function begin() {
  const response = post('initialize', 'initialize', {
    protocolVersion: '2025-03-26',
    capabilities: {},
    clientInfo: { name: 'phoenix-load-test', version: '1' },
  });
  check(response, { 'a session begins': (response) => response.status === 200 });
  return response.headers['Mcp-Session-Id'] || '';
}

// Calls a tool of the server; null if the call failed.
function use(tool, values) {
  const response = post('tools/call', tool, { name: tool, arguments: values });
  const answer = response.status === 200 ? read(response) : null;
  return answer && answer.result && !answer.result.isError ? answer.result : null;
}

function post(method, name, params) {
  requests += 1;
  const headers = {
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
  };
  if (token) {
    headers.Authorization = `Bearer ${token}`;
  }
  if (session) {
    headers['Mcp-Session-Id'] = session;
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: requests, method, params });
  return http.post(plan.address, body, { headers, tags: { name } });
}

// The answer is JSON, or the last event of a stream.
function read(response) {
  const type = response.headers['Content-Type'] || '';
  let text = response.body;
  if (type.startsWith('text/event-stream')) {
    const events = text.split('\n').filter((line) => line.startsWith('data:'));
    text = events.length > 0 ? events[events.length - 1].slice('data:'.length) : '';
  }
  try {
    return JSON.parse(text);
  } catch (_) {
    return null;
  }
}
